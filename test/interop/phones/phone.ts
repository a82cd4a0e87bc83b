import type { TransportName } from '../../../src/sip/index.ts';

/** A phone of somebody else, as the person in front of it handles it. Each promise fails when nothing happens. */
export interface Phone {
  /** Calls, and resolves when the other side has answered. */
  call(user: string): Promise<PhoneCall>;
  /** Answers the next call that comes, and resolves when it is up. */
  answer(): Promise<PhoneCall>;
  /** The call that the phone makes when the other side of one of its calls transfers it (RFC 5589 §5). */
  followTransfer(): Promise<PhoneCall>;
  /** Unregisters and ends. */
  close(): Promise<void>;
}

export interface PhoneCall {
  hold(): Promise<void>;
  resume(): Promise<void>;
  /** Resolves when the other side has put the call on hold. */
  held(): Promise<void>;
  /** Resolves when the other side has taken it off hold. */
  released(): Promise<void>;
  /** Asks the other side to call somebody else instead (RFC 5589 §6). */
  transfer(user: string): Promise<void>;
  /** Asks the other side to take this phone's place in another of its calls (RFC 5589 §7). */
  transferTo(consultation: PhoneCall): Promise<void>;
  /** Also of a call that the phone has ended by itself. */
  hangUp(): Promise<void>;
  /** Resolves when the call is over, whoever ended it. */
  readonly ended: Promise<void>;
}

export interface PhoneOptions {
  readonly user: string;
  readonly password: string;
  readonly domain: string;
  readonly transport: TransportName;
  /** The gateway's port for it. */
  readonly port: number;
  /** File of the authority that vouches for the gateway. */
  readonly ca: string;
  /** For what a program wants to write; it need not exist. */
  readonly directory: string;
}

/** Starts a phone, and resolves when it says that it is registered. */
export type StartPhone = (options: PhoneOptions) => Promise<Phone>;
