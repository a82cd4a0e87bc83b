/** Words of one intent that are indexed; an intent has at most 512 characters, so nearly all have fewer. */
const maxWords = 16;

/** The distinct words of a declared intent, in lower case: letters and digits of any script, nothing else. */
export function intentWords(intent: string): readonly string[] {
  const words = new Set<string>();
  for (const [word] of intent
    .normalize('NFKC')
    .toLowerCase()
    .matchAll(/[\p{L}\p{N}]+/gu)) {
    words.add(word);
    if (words.size === maxWords) break;
  }
  return [...words];
}

/** Whether an intent has all words of what somebody asks for, in any order. */
export function hasWords(intent: string, asked: string): boolean {
  const words = intentWords(intent);
  return intentWords(asked).every((word) => words.includes(word));
}

const maxRememberedIntents = 1_000;

/** Words of intents seen lately: all records of a call declare the same one. */
export class IntentWords {
  readonly #words = new Map<string, readonly string[]>();

  wordsOf(intent: string): readonly string[] {
    const known = this.#words.get(intent);
    if (known !== undefined) return known;
    const words = intentWords(intent);
    if (this.#words.size >= maxRememberedIntents) this.#words.clear();
    this.#words.set(intent, words);
    return words;
  }
}
