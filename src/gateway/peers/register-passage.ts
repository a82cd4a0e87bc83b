import {
  headerValue,
  parseDeltaSeconds,
  readContacts,
  SipParseError,
  type SipRequest,
} from '../../sip/index.ts';

/** What a phone's REGISTER is about, as far as the PBX behind the gateway is concerned. */
export interface RegisterFacts {
  readonly wants: 'bind' | 'remove' | 'query';
  /** The phone proved its key, or its certificate, to this gateway. */
  readonly provedHere: boolean;
  /** It says again, on the flow on which it did before, what the PBX has confirmed: nothing moves by it. */
  readonly refreshes: boolean;
  /** Other phones of the identity stay when this one goes. */
  readonly othersStay: boolean;
  /** The PBX has granted time that is not over yet. */
  readonly confirmed: boolean;
  readonly pbxDown: boolean;
}

/** `absorb`: decided here; `confirm`, `end` and `ask`: the PBX is to keep the identity, to drop it, or only to prove the phone. */
export type Passage = 'absorb' | 'confirm' | 'end' | 'ask' | 'unavailable';

/** Whether nobody is harmed when the gateway believes it without asking the PBX. */
export function isBelievable({ provedHere, refreshes, wants }: RegisterFacts): boolean {
  return provedHere || (refreshes && wants === 'bind');
}

/** Short refreshes end at the edge, long ones go inside, and nobody is bound whom neither side has proved. */
export function passageOf(facts: RegisterFacts): Passage {
  const { wants, provedHere, othersStay, confirmed, pbxDown } = facts;
  const believable = isBelievable(facts);
  if (pbxDown) return believable ? 'absorb' : 'unavailable';
  if (wants === 'remove' && !othersStay) return 'end';
  if (wants !== 'bind') return provedHere ? 'absorb' : 'ask';
  return believable && confirmed ? 'absorb' : 'confirm';
}

/** What the Contacts of a REGISTER ask for (RFC 3261 §10.2), and their URIs. Unreadable ones are the registrar's to refuse. */
export function contactsOf(request: SipRequest): {
  readonly wants: RegisterFacts['wants'];
  readonly uris: readonly string[];
  /** None of them is to be taken off. */
  readonly allStay: boolean;
} {
  try {
    const contacts = readContacts(request);
    if (contacts === '*') return { wants: 'remove', uris: [], allStay: false };
    if (contacts.length === 0) return { wants: 'query', uris: [], allStay: false };
    const common = parseDeltaSeconds(headerValue(request, 'expires') ?? '');
    const staying = contacts.filter(({ expires }) => (expires ?? common) !== 0);
    return {
      wants: staying.length > 0 ? 'bind' : 'remove',
      uris: contacts.map(({ address }) => address.uri),
      allStay: staying.length === contacts.length,
    };
  } catch (error) {
    if (error instanceof SipParseError) return { wants: 'query', uris: [], allStay: false };
    throw error;
  }
}
