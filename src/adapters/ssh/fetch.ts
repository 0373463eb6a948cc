/**
 * Has a host fetch packages by URL, as the user who logs in, in one exec for all of them. The host's half is `src/host/fetch.sh`.
 *
 * FT1  A URL is a secret: it goes over stdin alone, inside a document that no shell expands, and what comes back is read as
 * numbers and bare words; the rest of what the host says is searched for it before it is shown. FT2  A package that the host
 * keeps is not fetched, and its URL need not exist. FT3  What the store refuses is told as the store's, not as the host's.
 */
import { readFile } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import type { Client, ClientChannel } from 'ssh2';
import { plainText } from '../../domain/host-answer.ts';
import type { HostStep } from '../../domain/host-order.ts';
import { err, type Result } from '../../domain/result.ts';
import type { FetchRequest, PackageSource } from '../../ports/remote.ts';
import { createAnswerLines } from './answer-lines.ts';
import { explainFetch, type FetchTrouble, whereOf } from './fetch-trouble.ts';
import { wholeOrNothing } from './programs.ts';

export type UrlSource = Extract<PackageSource, { kind: 'url' }>;

export interface FetchOptions {
  readonly client: Client;
  readonly sources: readonly UrlSource[];
  /** Where packages for the same order were sent already; null: the program's own choice. */
  readonly folder: string | null;
  /** For all packages together, ms; told to the host, so that nothing stays at work there. */
  readonly timeoutMs: number;
  /** Rejects when there is nothing left to wait for. */
  readonly stopped: Promise<never>;
  /** Something came from the host. */
  readonly touch: () => void;
}

/** Longest that a transfer may stand still, seconds. */
const STALL_S = 30;
/** How much earlier than we the host gives up, ms, so that it can still say why. */
const AHEAD_MS = 1_000;
const STDERR_KEPT = 1_000;
/** What a folder may be called that a shell program has made. */
const FOLDER = /^\/[A-Za-z0-9/._@+-]{1,900}$/;

/** The value is the folder that packages lie in, absolute, or null when the host keeps all. Throws what went wrong. */
export async function fetchMissing(options: FetchOptions): Promise<string | null> {
  const { sources, stopped, touch } = options;
  const requests = new Map<string, Result<FetchRequest, string>>();
  for (const source of sources) {
    requests.set(source.sha256, await Promise.race([requestOf(source), stopped]));
    touch();
  }
  const answer = await runThere(options, await textFor(sources, requests));
  const begin = answer.steps.find(({ step }) => step === 'begin');
  const failed = answer.steps.find(({ step, ok: isOk }) => step === 'fetch' && !isOk);
  if (failed !== undefined) throw new Error(whyFailed(failed, sources, requests));
  const got = answer.steps.filter(({ step }) => step === 'fetch');
  if (answer.exitCode !== 0 || begin === undefined || got.length !== sources.length) {
    const said = harmless(answer.stderr, requests);
    throw new Error(
      `the download on the host ended without saying how (exit ${answer.exitCode ?? 'unknown'})${said === '' ? '' : `: ${said}`}`,
    );
  }
  if (got.every(({ from }) => from === 'kept')) return null;
  const { folder } = begin;
  if (typeof folder !== 'string' || !FOLDER.test(folder) || folder.includes('/../'))
    throw new Error('the host named no folder of what it fetched');
  return folder;
}

/** A URL that can be handed on, or why there is none (FT3). */
async function requestOf(source: UrlSource): Promise<Result<FetchRequest, string>> {
  let request: Result<FetchRequest, string>;
  try {
    request = await source.request();
  } catch (cause) {
    return err((cause as Error).message);
  }
  if (!request.ok) return request;
  const why = whyUnfit(request.value);
  return why === null ? request : err(`its URL ${why}`);
}

/** RFC 3986's characters without the quotes that a client's configuration is written with. */
const URL_TEXT = /^https?:\/\/[A-Za-z0-9\-._~:/?#[\]@!$&()*+,;=%]+$/;
const NEARBY =
  /^(localhost|127\.\d+\.\d+\.\d+|10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+|172\.(1[6-9]|2\d|3[01])\.\d+\.\d+|\[::1\])$/;

/** Why no host is asked to fetch this, in words that do not show it; null when it may. */
export function whyUnfit({ url, authorization }: FetchRequest): string | null {
  if (url.length > 8_000) return 'is longer than 8,000 characters';
  if (!URL_TEXT.test(url) || !URL.canParse(url))
    return 'is none that can be fetched (https, plain characters)';
  const { protocol, hostname, username, password } = new URL(url);
  if (username !== '' || password !== '') return 'holds a user name';
  if (authorization === 'vm-service-account' && protocol !== 'https:' && !NEARBY.test(hostname))
    return `would have the VM's token sent in the clear to ${hostname}; use https`;
  return null;
}

const PROGRAM = new URL('../../host/fetch.sh', import.meta.url);
let program: Promise<string> | null = null;

/** The program and the call with its packages (FT1). All or nothing, as every program that goes over stdin. */
async function textFor(
  sources: readonly UrlSource[],
  requests: ReadonlyMap<string, Result<FetchRequest, string>>,
): Promise<string> {
  program ??= readFile(PROGRAM, 'utf8');
  const lines = sources.map(({ sha256, size }) => {
    if (!/^[0-9a-f]{64}$/.test(sha256) || !Number.isSafeInteger(size) || size < 0)
      throw new Error(`a package without a digest or size: ${plainText(sha256)}`);
    const request = requests.get(sha256);
    const how = request?.ok === true ? `${request.value.authorization} ${request.value.url}` : 'none -';
    return `${sha256} ${size} ${how}\n`;
  });
  return wholeOrNothing(`${await program}\nmain "$@" <<'PACKAGES'\n${lines.join('')}PACKAGES`);
}

interface Said {
  readonly exitCode: number | null;
  readonly steps: readonly HostStep[];
  readonly stderr: string;
}

async function runThere(options: FetchOptions, text: string): Promise<Said> {
  const { client, touch } = options;
  const limitS = Math.max(1, Math.floor((options.timeoutMs - AHEAD_MS) / 1_000));
  const words = [
    `limit_s=${limitS}`,
    `stall_s=${Math.max(1, Math.min(STALL_S, Math.floor(limitS / 4)))}`,
    ...(options.folder === null ? [] : [`folder=${options.folder}`]),
  ];
  const command = `sh -s -- ${words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')}`;
  const opened = Promise.withResolvers<ClientChannel>();
  client.exec(command, (error, channel) => {
    if (error === undefined) opened.resolve(channel);
    else opened.reject(new Error(`the host allows no command for this user (${error.message})`));
  });
  const channel = await Promise.race([opened.promise, options.stopped]);
  const ended = Promise.withResolvers<Said>();
  const lines = createAnswerLines();
  const decoder = new StringDecoder('utf8');
  let stderr = '';
  let exitCode: number | null = null;
  channel.on('error', () => {});
  channel.stderr.on('error', () => {});
  channel.on('data', (chunk: Buffer) => {
    touch();
    lines.push(chunk);
  });
  channel.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + decoder.write(chunk)).slice(-STDERR_KEPT);
  });
  channel.on('exit', (code: number | null) => {
    exitCode = code;
  });
  channel.on('close', () => {
    lines.end();
    ended.resolve({ exitCode, steps: lines.steps, stderr });
  });
  channel.end(text);
  try {
    return await Promise.race([ended.promise, options.stopped]);
  } finally {
    // The program there notices that nobody listens, and ends its client.
    channel.close();
  }
}

function whyFailed(
  step: HostStep,
  sources: readonly UrlSource[],
  requests: ReadonlyMap<string, Result<FetchRequest, string>>,
): string {
  const source = sources.find(({ sha256 }) => sha256 === step['package']);
  const request = source === undefined ? undefined : requests.get(source.sha256);
  const trouble: FetchTrouble = {
    why: word(step['why']),
    tool: word(step['tool']),
    exit: number(step['exit']),
    status: number(step['status']),
    reason: word(step['reason']),
    account: word(step['account']),
    attempts: number(step['attempts']),
    freeKib: number(step['freeKib']),
    needKib: number(step['needKib']),
    size: source?.size ?? 0,
    where: request?.ok === true ? whereOf(request.value.url) : 'the store',
    authorization: request?.ok === true ? request.value.authorization : 'in-url',
    storeSays: request?.ok === false ? request.error : '',
  };
  const what = source === undefined ? 'the packages were' : `package ${source.sha256.slice(0, 12)} was`;
  return `${what} not delivered: ${explainFetch(trouble)}`;
}

function word(value: unknown): string {
  return typeof value === 'string' && /^[A-Za-z0-9@._-]{0,200}$/.test(value) ? value : '';
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

/** What a host said by itself, without any part of a secret (FT1). */
function harmless(text: string, requests: ReadonlyMap<string, Result<FetchRequest, string>>): string {
  let shown = text;
  for (const request of requests.values()) {
    if (!request.ok) continue;
    const query = request.value.url.split('?')[1] ?? '';
    for (const secret of [request.value.url, query, ...query.split('&'), ...query.split(/[&=]/)])
      if (secret.length >= 8) shown = shown.replaceAll(secret, '...');
  }
  // What is left of a line that was cut inside a secret.
  return plainText(shown.replaceAll(/\S{100,}/g, '...')).slice(-300);
}
