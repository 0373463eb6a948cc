/** What the bucket answers, in the store's words. */
import { err, type Result } from '../../../domain/result.ts';
import type { StoreError } from '../../../ports/artifact-store.ts';
import type { ObjectError } from './objects.ts';

export type Answer<T> = Promise<Result<T, StoreError>>;

export function storeError(error: ObjectError): StoreError {
  const { kind, message } = error;
  if (kind === 'not-found' || kind === 'unavailable') return error;
  return { kind: 'unavailable', message, retryable: kind === 'precondition' };
}

export function failed(error: ObjectError): Result<never, StoreError> {
  return err(storeError(error));
}

export function unavailable(message: string, retryable: boolean): Result<never, StoreError> {
  return err({ kind: 'unavailable', message, retryable });
}

export function foreign(label: string, environment: string, found: string): StoreError {
  return {
    kind: 'unavailable',
    retryable: false,
    message:
      `the artifact store ${label} is that of ${environment}, but this is a package of ${found}; ` +
      `give each environment its own artifacts.prefix`,
  };
}
