import { describe, expect, it } from 'vitest';
import { endpointsFrom } from '../../../src/adapters/google/endpoints.ts';

describe('where Google is asked', () => {
  it('is Google itself unless a variable names another place', () => {
    expect(endpointsFrom({ PATH: '/bin', ROLLOUT_COMPUTE_ENDPOINT: '' })).toEqual({ ok: true, value: {} });
  });

  it('is what the variables say, without slashes at the end', () => {
    const env = {
      ROLLOUT_COMPUTE_ENDPOINT: 'https://compute.p.googleapis.com/',
      ROLLOUT_STORAGE_ENDPOINT: 'http://127.0.0.1:4443//',
      ROLLOUT_IAMCREDENTIALS_ENDPOINT: 'http://localhost:1',
      ROLLOUT_OSLOGIN_ENDPOINT: 'http://[::1]:2/base',
    };
    expect(endpointsFrom(env)).toEqual({
      ok: true,
      value: {
        compute: 'https://compute.p.googleapis.com',
        storage: 'http://127.0.0.1:4443',
        iamCredentials: 'http://localhost:1',
        osLogin: 'http://[::1]:2/base',
      },
    });
  });

  it.each([
    ['http://10.0.0.1', 'would send tokens in the clear'],
    ['http://127.0.0.1.example.com', 'would send tokens in the clear'],
    ['http://localhost.example.com', 'would send tokens in the clear'],
    ['ftp://127.0.0.1', 'would send tokens in the clear'],
    ['compute.googleapis.com', 'is not a URL'],
    ['https://user:SECRET@example.com', 'holds more than a base URL'],
    ['https://example.com/?key=SECRET', 'holds more than a base URL'],
  ])('is refused when tokens are not safe there: %s', (text, why) => {
    for (const variable of ['ROLLOUT_COMPUTE_ENDPOINT', 'ROLLOUT_STORAGE_ENDPOINT']) {
      const found = endpointsFrom({ [variable]: text });
      if (found.ok) throw new Error(`${text} was taken`);
      expect(found.error).toContain(`${variable} ${why}`);
      expect(found.error).toContain('; expected a base URL such as https://');
      expect(found.error).not.toContain('SECRET');
    }
  });

  it('has no path where it would be lost, and may have one elsewhere', () => {
    const found = endpointsFrom({ ROLLOUT_COMPUTE_ENDPOINT: 'https://example.com/proxy' });
    expect(found).toEqual({
      ok: false,
      error:
        'ROLLOUT_COMPUTE_ENDPOINT has a path; expected a base URL without one, such as https://compute.googleapis.com',
    });
    expect(endpointsFrom({ ROLLOUT_STORAGE_ENDPOINT: 'https://example.com/proxy' }).ok).toBe(true);
  });
});
