import type { Lab } from '../lab.ts';

/** Where a scene is played: a person watches it, or a test. */
export interface Stage {
  readonly lab: Lab;
  readonly say: (line: string) => void;
}

/** Something that the lab shows. It fails by throwing. */
export interface Scene {
  readonly title: string;
  readonly play: (stage: Stage) => Promise<void>;
}
