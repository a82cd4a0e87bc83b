import { systemClock, systemRandom } from '../base/index.ts';
import { CachedStore } from './cached-store.ts';
import { ChallengeBook } from './challenge.ts';
import { DeviceBook } from './device-book.ts';
import { EndpointBook } from './endpoint-book.ts';
import { EndpointDesk } from './endpoint-desk.ts';
import { EnrolmentDesk } from './enrolment-desk.ts';
import { ForeignBook } from './foreign-book.ts';
import { IdentityDirectory } from './identity-directory.ts';
import { IdentityEndings } from './identity-endings.ts';
import { LocationBook } from './location-book.ts';
import { MemoryStore } from './memory-store.ts';
import { NodeBook } from './node-book.ts';
import { EventReporter } from './overlay-event.ts';
import {
  defaultNode,
  defaultOverlayLimits,
  type OverlayLimits,
  type OverlayOptions,
} from './overlay-options.ts';
import { ProofDesk } from './proof-desk.ts';

/** What an overlay is made of: books keep documents, desks apply rules and report events. */
export interface OverlayParts {
  readonly store: CachedStore;
  readonly limits: OverlayLimits;
  readonly reporter: EventReporter;
  readonly directory: IdentityDirectory;
  readonly endings: IdentityEndings;
  readonly locations: LocationBook;
  readonly devices: DeviceBook;
  readonly proofs: ProofDesk;
  readonly enrolment: EnrolmentDesk;
  readonly endpoints: EndpointDesk;
  readonly nodes: NodeBook;
  readonly foreign: ForeignBook;
}

/** Puts the parts together, all of them on one cached store. */
export function buildParts(options: OverlayOptions): OverlayParts {
  const { node = defaultNode, clock = systemClock, random = systemRandom } = options;
  const limits = { ...defaultOverlayLimits, ...options.limits };
  const store = new CachedStore(options.store ?? new MemoryStore(), clock, limits.cache);
  const reporter = new EventReporter(clock, node, options.onEvent ?? (() => {}));
  const directory = new IdentityDirectory(store, clock);
  const endings = new IdentityEndings(store, directory);
  const devices = new DeviceBook(store, clock);
  const challenges = new ChallengeBook({
    clock,
    random,
    lifetimeMs: limits.challengeLifetimeMs,
    maxOpen: limits.maxOpenChallenges,
  });
  const findProver = options.findProver ?? (() => undefined);
  const proofs = new ProofDesk({ directory, devices, challenges, reporter, clock, findProver });
  const policy = options.enrolment ?? 'open';
  const enrolment = new EnrolmentDesk({ directory, endings, devices, reporter, clock, random, policy });
  const book = new EndpointBook(store, directory, clock, limits.endpoint);
  const endpoints = new EndpointDesk({
    directory,
    devices,
    endpoints: book,
    enrolment,
    proofs,
    reporter,
    clock,
    random,
  });
  const locations = new LocationBook(store, clock, node);
  const nodes = new NodeBook(store, clock, options.nodeSecret);
  return {
    store,
    limits,
    reporter,
    directory,
    endings,
    locations,
    devices,
    proofs,
    enrolment,
    endpoints,
    nodes,
    foreign: new ForeignBook(store, reporter),
  };
}
