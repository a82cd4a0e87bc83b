const knownMethods = new Map<string, string>(
  [
    'INVITE',
    'ACK',
    'BYE',
    'CANCEL',
    'OPTIONS',
    'REGISTER',
    'PRACK',
    'SUBSCRIBE',
    'NOTIFY',
    'PUBLISH',
    'INFO',
    'REFER',
    'MESSAGE',
    'UPDATE',
  ].map((method) => [method, method]),
);

/** The shared string of a known method: comparing two of them is a pointer comparison. */
export function internMethod(method: string): string {
  return knownMethods.get(method) ?? method;
}
