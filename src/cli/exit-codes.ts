/** Every way in which a command can end, and the exit code that scripts see. */
export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  config: 3,
  notFound: 4,
  refused: 5,
  unavailable: 6,
  conflict: 7,
  storage: 8,
  unwitnessed: 10,
  redacted: 11,
  gap: 12,
  forced: 130,
} as const;

export type ExitReason = keyof typeof exitCodes;

/** Shown in `tibet-sip --help` and docs. */
export const exitMeanings: Readonly<Record<ExitReason, string>> = {
  ok: 'done',
  failure: 'something failed that has no code of its own',
  usage: 'wrong arguments',
  config: 'the configuration is wrong',
  notFound: 'no such identity, device, record or file',
  refused: 'a check failed: signature, proof, log, passphrase; or a call was declined',
  unavailable: 'gateway or store not reachable, an address already in use, or a call not answered',
  conflict: 'exists already, or another key holds the name',
  storage: 'a file or directory cannot be read or written',
  unwitnessed: 'audit verify: everything holds, but not enough witnesses that you trust have seen it',
  redacted: 'audit verify: everything that is shown holds; a part was erased or is not shown',
  gap: 'audit verify: everything that is shown holds; something that belongs to it is missing',
  forced: 'a second signal ended the gateway before it had drained',
};
