interface NotedMap<K, V> extends Iterable<readonly [K, V]> {
  get(key: K): V | undefined;
  delete(key: K): boolean;
}

/** What was noted of records up to some moment, on its way into the tables. */
export interface NotedBatch {
  /** Within a transaction. */
  put(): void;
  /** The tables have it: lets go of what has not changed since. */
  settle(): void;
}

export function notedBatch<K, V>(noted: NotedMap<K, V>, putOne: (key: K, value: V) => void): NotedBatch {
  const entries = [...noted];
  return {
    put: () => {
      for (const [key, value] of entries) putOne(key, value);
    },
    settle: () => {
      for (const [key, value] of entries) if (noted.get(key) === value) noted.delete(key);
    },
  };
}
