/** Why something that was given to the verifier cannot be read or does not hold; every check that fails throws one. */
export type VerifyErrorCode =
  | 'format'
  | 'vkey'
  | 'policy'
  | 'checkpoint'
  | 'signature'
  | 'inclusion'
  | 'entry'
  | 'receipt'
  | 'opening'
  | 'intent';

export class VerifyError extends Error {
  readonly code: VerifyErrorCode;

  constructor(code: VerifyErrorCode, message: string) {
    super(message);
    this.name = 'VerifyError';
    this.code = code;
  }
}
