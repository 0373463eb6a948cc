/** Stands for the process being killed: a test throws it out of a fake and starts again from what is durable. */
export class CrashError extends Error {
  override readonly name = 'CrashError';
  constructor(where: string) {
    super(`killed ${where}`);
  }
}
