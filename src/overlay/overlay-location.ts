import type { Fingerprint } from '../tokens/index.ts';
import type { Binding, BindingAnnotation, RegisteredBinding } from './binding.ts';
import type { Eventual } from './eventual.ts';
import type { IdentityOverlay } from './identity-overlay.ts';
import { type Annotate, type BindingUpdate, unknownAssurance } from './location-book.ts';

export interface OverlayLocationOptions {
  readonly overlay: IdentityOverlay;
  /** What the node knows about a registering phone beyond its REGISTER; asked for every new or refreshed binding. */
  readonly annotate?: (fingerprint: Fingerprint, binding: RegisteredBinding) => BindingAnnotation;
}

/** The registrar's location service (RFC 3261 §10): an address-of-record is an identity's fingerprint. */
export class OverlayLocation {
  readonly #overlay: IdentityOverlay;
  readonly #annotate: (fingerprint: Fingerprint) => Annotate;

  constructor({ overlay, annotate }: OverlayLocationOptions) {
    this.#overlay = overlay;
    this.#annotate = annotate
      ? (fingerprint) => (binding) => annotate(fingerprint, binding)
      : () => unknownAssurance;
  }

  list(aor: Fingerprint): Eventual<readonly Binding[]> {
    return this.#overlay.bindings(aor);
  }

  update<Update extends BindingUpdate>(
    aor: Fingerprint,
    decide: (current: readonly Binding[]) => Update,
  ): Promise<Update> {
    return this.#overlay.updateBindings(aor, decide, this.#annotate(aor));
  }
}
