/**
 * What is known of one host's hold: the newest of each sort, whatever order it came in. Pure; the rules are fold-lifecycle.ts.
 *
 * HW1  Each function gives the same for the same words in another order; what a newer word has overtaken is dropped.
 * HW2  Of two words of one moment the one further down the journal is the newer.
 */
import type { HostId } from './host.ts';
import type { HeldHost, HoldWord, HostWords, Instant } from './state.ts';

export const NO_WORDS: HostWords = {
  name: '',
  lifted: null,
  told: null,
  seen: null,
  wishes: [],
  service: null,
};

type Wish = HostWords['wishes'][number];

export function addWish(words: HostWords, wish: Wish): HostWords {
  const { told } = words;
  // The host's answer was here before the entry that says with which terms.
  const known =
    told?.actionId === wish.actionId && told.terms?.actionId !== wish.actionId
      ? { ...words, told: { ...told, terms: wish.terms, by: wish.by } }
      : words;
  const mark = known.wishes.find(({ actionId }) => actionId === wish.actionId);
  const state = mark === undefined ? wish.state : mark.state;
  return current({ ...known, wishes: [...known.wishes.filter((one) => one !== mark), { ...wish, state }] });
}

/** The stop may have reached the host, so that nothing takes its wish back but proof. */
export function wishActed(words: HostWords, actionId: string, when: Instant): HostWords {
  return marked(words, actionId, when, 'acted');
}

/** Nothing was sent, and nothing will be. */
export function callOff(words: HostWords, actionId: string, when: Instant): HostWords {
  return marked(words, actionId, when, 'called-off');
}

function marked(words: HostWords, actionId: string, { at, seq }: Instant, state: Wish['state']): HostWords {
  const wish = words.wishes.find((one) => one.actionId === actionId);
  if (wish === undefined)
    return current({
      ...words,
      wishes: [...words.wishes, { actionId, at, seq, terms: null, by: null, state }],
    });
  if (wish.state === 'acted' || wish.state === state) return words;
  return { ...words, wishes: words.wishes.map((one) => (one === wish ? { ...wish, state } : one)) };
}

/** The host has the hold. Terms that are not here yet are those of the hold before. */
export function toldHeld(words: HostWords, word: HoldWord): HostWords {
  const wish = words.wishes.find(({ actionId, terms }) => actionId === word.actionId && terms !== null);
  const { told } = words;
  if (told !== null && isAfter(told, word)) return words;
  const own = word.terms === null ? wish : word;
  const { terms = null, by = null } = own ?? told ?? {};
  const { at, seq, actionId } = word;
  return current({ ...words, told: { at, seq, actionId, terms, by } });
}

export function seenHeld(words: HostWords, { at, seq }: Instant): HostWords {
  return words.seen !== null && isAfter(words.seen, { at, seq }) ? words : { ...words, seen: { at, seq } };
}

export function liftedAt(words: HostWords, { at, seq }: Instant): HostWords {
  if (words.lifted !== null && isAfter(words.lifted, { at, seq })) return words;
  return current({ ...words, lifted: { at, seq } });
}

/** HW1: without what is overtaken. */
function current(words: HostWords): HostWords {
  const { lifted } = words;
  const told = words.told !== null && lifted !== null && isAfter(lifted, words.told) ? null : words.told;
  const wishes = words.wishes.filter(
    (wish) =>
      (lifted === null || isAfter(wish, lifted)) &&
      (told === null || (isAfter(wish, told) && wish.actionId !== told.actionId)),
  );
  return { ...words, told, wishes };
}

/** The hold as it is shown; null: there is none. */
export function heldHostOf(id: HostId, { name, told, seen, wishes }: HostWords): HeldHost | null {
  let newest: (Wish & { terms: NonNullable<Wish['terms']>; by: NonNullable<Wish['by']> }) | null = null;
  for (const { terms, by, ...wish } of wishes) {
    if (wish.state === 'called-off' || terms === null || by === null) continue;
    if (newest === null || isAfter(wish, newest)) newest = { ...wish, terms, by };
  }
  const next = newest === null ? {} : { next: { terms: newest.terms, by: newest.by } };
  if (told !== null && told.terms !== null && told.by !== null)
    return { id, name, terms: told.terms, by: told.by, state: 'confirmed', ...next };
  if (newest === null) return null;
  const state = seen !== null && isAfter(seen, newest) ? 'confirmed' : 'wished';
  return { id, name, terms: newest.terms, by: newest.by, state };
}

/** HW2. */
function isAfter(a: Instant, b: Instant): boolean {
  return a.at > b.at || (a.at === b.at && a.seq > b.seq);
}
