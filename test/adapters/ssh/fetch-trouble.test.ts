/** What is told of a download that failed: where, why and what mends it, and nothing that is secret. */
import { describe, expect, it } from 'vitest';
import { explainFetch, type FetchTrouble, whereOf } from '../../../src/adapters/ssh/fetch-trouble.ts';

const none: FetchTrouble = {
  why: '',
  tool: 'curl',
  exit: 0,
  status: 0,
  reason: '',
  account: '',
  attempts: 1,
  freeKib: 7,
  needKib: 20,
  size: 10,
  where: 'storage.googleapis.com/b/o.deb',
  authorization: 'in-url',
  storeSays: '',
};

describe('a download that failed', () => {
  it.each<[Partial<FetchTrouble>, RegExp]>([
    [{ why: 'no-client' }, /neither curl nor wget.*install curl there, or set artifacts\.delivery: sftp/],
    [
      { why: 'no-curl' },
      /wget cannot be given a token.*install curl there, or set artifacts\.delivery: signed-url/,
    ],
    [{ why: 'no-token' }, /no token, and no service account; attach a service account/],
    [{ why: 'no-token', account: 'vm@p' }, /no token for vm@p; attach/],
    [{ why: 'no-space' }, /7 KiB free, the package needs 20 KiB/],
    [{ why: 'no-url', storeSays: 'may not sign' }, /the store cannot have it fetched: may not sign/],
    [
      { why: 'client', exit: 6 },
      /name of storage\.googleapis\.com does not resolve there.*artifacts\.delivery: sftp/,
    ],
    [{ why: 'client', exit: 60 }, /certificate of storage\.googleapis\.com is not trusted there.*clock/],
    [{ why: 'client', exit: 28, attempts: 4 }, /did not answer, or too slowly.*after 4 attempts/],
    [{ why: 'client', tool: 'wget', exit: 5 }, /certificate/],
    [
      { why: 'status', status: 403, reason: 'SignatureDoesNotMatch' },
      /403 \(SignatureDoesNotMatch\): the signed URL has expired, or the clock of the machine that signed it/,
    ],
    [
      { why: 'status', status: 403, authorization: 'vm-service-account', account: 'vm@p' },
      /the VM's service account vm@p may not read it; it needs roles\/storage\.objectViewer on the bucket, and the VM an access scope/,
    ],
    [{ why: 'status', status: 404 }, /not there any more/],
    [{ why: 'status', status: 503, attempts: 4 }, /answered 503, after 4 attempts/],
    [{ why: 'size', reason: '3' }, /gave 3 bytes instead of 10/],
    [{ why: 'of a newer program' }, /gave no reason that is known here/],
  ])('is told by its cause: %j', (trouble, sentence) => {
    expect(explainFetch({ ...none, ...trouble })).toMatch(sentence);
  });

  it('shows of a URL its host and path, bounded', () => {
    expect(whereOf('https://storage.googleapis.com/b/a%20b.deb?X-Goog-Signature=5ec4e7#x')).toBe(
      'storage.googleapis.com/b/a%20b.deb',
    );
    expect(whereOf(`https://a/${'x'.repeat(5_000)}`).length).toBeLessThan(210);
  });
});
