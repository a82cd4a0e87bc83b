/** An answer that is there at once (cache, embedded store) or comes later: the call path never waits for nothing. */
export type Eventual<T> = T | Promise<T>;

/** Continues with an answer, at once where it is there. */
export function chain<T, U>(answer: Eventual<T>, next: (value: T) => Eventual<U>): Eventual<U> {
  return answer instanceof Promise ? answer.then(next) : next(answer);
}

/** All answers in order; a promise only when one of them is. */
export function all<T>(answers: readonly Eventual<T>[]): Eventual<readonly T[]> {
  const ready: T[] = [];
  for (const answer of answers) {
    if (answer instanceof Promise) return Promise.all(answers);
    ready.push(answer);
  }
  return ready;
}
