import { type Random, randomId } from '../../base/index.ts';
import {
  createResponse,
  headerField,
  headerItems,
  headerValue,
  parseUri,
  SipParseError,
  type SipRequest,
  type SipResponse,
  type Uri,
} from '../message/index.ts';
import type { Binding, LocationService, RegistrationChange } from './binding.ts';
import type { Gruus } from './gruu.ts';
import { defaultRegistrarPolicy, type RegistrarPolicy } from './policy.ts';
import { type RegisterOrder, readRegisterOrder } from './register-order.ts';
import { acceptedHeaderFields, supportedTags } from './register-response.ts';
import { decideRegistration, type RegisterSource, type Registration } from './registration.ts';
import { type RegisterFault, type RegisterRejection, reject } from './rejection.ts';

export interface RegistrarOptions {
  readonly location: LocationService;
  /** Whether we are the registrar of this host (RFC 3261 §10.3 step 1); lower case, without port. */
  readonly serves: (host: string) => boolean;
  readonly random: Random;
  readonly policy?: Partial<RegistrarPolicy>;
  /** Absent: no GRUUs are given out (RFC 5627). */
  readonly gruus?: Gruus;
  /** SIP URIs with `lr` through which a phone's requests shall come (RFC 3608); default: none. */
  readonly serviceRoutes?: (source: RegisterSource) => readonly string[];
}

export interface RegisterOutcome {
  readonly response: SipResponse;
  /** Set when the request was refused. */
  readonly fault: RegisterFault | undefined;
  /** What was changed, and is stored already. */
  readonly changes: readonly RegistrationChange[];
  /** All current bindings, this request's own first. */
  readonly bindings: readonly Binding[];
}

/** RFC 3261 §10.3. `screen` comes before authentication and authorisation, `handle` after them. */
export class Registrar {
  readonly #location: LocationService;
  readonly #serves: (host: string) => boolean;
  readonly #random: Random;
  readonly #policy: RegistrarPolicy;
  readonly #gruus: Gruus | undefined;
  readonly #serviceRoutes: (source: RegisterSource) => readonly string[];

  constructor(options: RegistrarOptions) {
    this.#location = options.location;
    this.#serves = options.serves;
    this.#random = options.random;
    this.#policy = { ...defaultRegistrarPolicy, ...options.policy };
    this.#gruus = options.gruus;
    this.#serviceRoutes = options.serviceRoutes ?? (() => []);
  }

  /** Steps 1 and 2: whether this REGISTER is ours and asks for nothing that we lack. Undefined: go on. */
  screen(request: SipRequest): RegisterOutcome | undefined {
    const rejection = this.#screen(request);
    return rejection && this.#refuse(request, rejection, []);
  }

  #screen(request: SipRequest): RegisterRejection | undefined {
    const uri = parseRequestUri(request.uri);
    if (uri === undefined) return reject('scheme', 400, 'Bad Request-URI');
    if (uri.scheme !== 'sip' && uri.scheme !== 'sips') return reject('scheme', 416);
    if (!this.#serves(uri.host)) return reject('domain', 403, 'Not Our Domain');
    const unknown = headerItems(request, 'require').filter(
      (tag) => !supportedTags.includes(tag.toLowerCase()),
    );
    if (unknown.length > 0) {
      return reject('required-extension', 420, undefined, [headerField('Unsupported', unknown.join(', '))]);
    }
    return undefined;
  }

  /**
   * Steps 6 to 8, for an address-of-record that the sender was shown to own. Answers after the changes are stored;
   * rejects only as the location service does, which then has left all as it was.
   */
  async handle(
    request: SipRequest,
    source: RegisterSource,
    aor: string,
    at: { readonly nowMs: number },
  ): Promise<RegisterOutcome> {
    const order = readRegisterOrder(request, { policy: this.#policy, serves: this.#serves });
    if (order.kind === 'rejection') return this.#refuse(request, order, []);
    const { nowMs } = at;
    const policy = this.#policy;
    const userAgent = headerValue(request, 'user-agent');
    const decide = (current: readonly Binding[]): Registration =>
      decideRegistration(current, { request, order, source, nowMs, userAgent, policy });
    if (order.action === 'query') {
      const bindings = (await this.#location.list(aor)).filter(({ expiresAtMs }) => expiresAtMs > nowMs);
      return this.#accept({ request, source, order, aor, nowMs }, { bindings, changes: [] });
    }
    const registration = await this.#location.update(aor, decide);
    const { rejection } = registration;
    if (rejection) return this.#refuse(request, rejection, registration.bindings);
    return this.#accept({ request, source, order, aor, nowMs }, registration);
  }

  #refuse(request: SipRequest, rejection: RegisterRejection, bindings: readonly Binding[]): RegisterOutcome {
    const { status, reason, headers, fault } = rejection;
    const response = createResponse(request, status, reason, { toTag: this.#toTag(), headers });
    return { response, fault, changes: [], bindings };
  }

  #accept(
    asked: {
      readonly request: SipRequest;
      readonly source: RegisterSource;
      readonly order: RegisterOrder;
      readonly aor: string;
      readonly nowMs: number;
    },
    result: { readonly bindings: readonly Binding[]; readonly changes: readonly RegistrationChange[] },
  ): RegisterOutcome {
    const { bindings, changes } = result;
    const serviceRoutes = this.#serviceRoutes(asked.source);
    const [policy, gruus] = [this.#policy, this.#gruus];
    const headers = acceptedHeaderFields({ ...asked, bindings, policy, gruus, serviceRoutes });
    const response = createResponse(asked.request, 200, undefined, { toTag: this.#toTag(), headers });
    return { response, fault: undefined, changes, bindings };
  }

  #toTag(): string {
    return randomId(this.#random, 80);
  }
}

function parseRequestUri(text: string): Uri | undefined {
  try {
    return parseUri(text);
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}
