import type { TransportName } from '../sip/index.ts';

/** Who began the call and who was called; stays the same when the callee sends a re-INVITE. */
export type MediaParty = 'caller' | 'callee';

/** What signalling knows of a party of a call: believed, since it comes from a flow and not from a description. */
export interface MediaPeer {
  /** The IP address that its signalling comes from. */
  readonly observed: string;
  /** The IP address of ours that its signalling comes to. */
  readonly local: string;
  readonly transport: TransportName;
  /** A configured PBX or trunk: media may be sent where it says before any has come from there. */
  readonly trusted: boolean;
}

/** One session description on its way from one party to the other (RFC 3264). */
export interface MediaExchange {
  /**
   * Names the media of one branch of one call: a forked INVITE has a session for each target. Chosen by the gateway,
   * never used again. The first exchange opens the session, `release` ends it.
   */
  readonly session: string;
  /** The callee's tag as far as it is known: a fork further on gives several answers in one session (RFC 3261 §13.2.2.4). */
  readonly calleeTag: string | undefined;
  readonly from: MediaParty;
  readonly sdp: Uint8Array;
  readonly sender: MediaPeer;
  readonly receiver: MediaPeer;
}

/**
 * Why media cannot be anchored: `unacceptable` is the description's fault (488), `exhausted` a want of ports or
 * capacity and `unavailable` a media server that is gone (503).
 */
export type MediaFault = 'unacceptable' | 'exhausted' | 'unavailable';

export interface MediaRefusal {
  readonly kind: 'refused';
  readonly fault: MediaFault;
  /** Goes into the reason phrase: short, and nothing of what the phone wrote. */
  readonly reason: string;
}

export interface MediaAnchored {
  readonly kind: 'anchored';
  /** What the receiver gets instead: media then comes to us. */
  readonly sdp: Uint8Array;
}

export type MediaResult = MediaAnchored | MediaRefusal;

/** What one party sent in one media stream, as far as it was let in. */
export interface StreamReport {
  /** Of the m-line, from 0. */
  readonly index: number;
  /** `audio`, `video`, …: the m-line's. */
  readonly kind: string;
  readonly from: MediaParty;
  readonly packets: number;
  readonly bytes: number;
  /** By sequence numbers (RFC 3550 §6.4.1); negative when packets came twice. Undefined when nobody counts. */
  readonly lost: number | undefined;
  /** RFC 3550 §A.8; undefined when no RTP clock rate is known for what was sent. */
  readonly jitterMs: number | undefined;
  /** How often the source moved after it was first learned; undefined when nobody counts. */
  readonly moves: number | undefined;
  /** Packets that came from elsewhere or did not look like media, and went nowhere. */
  readonly dropped: number;
}

export interface MediaReport {
  readonly streams: readonly StreamReport[];
}

export interface MediaHealth {
  readonly up: boolean;
  readonly sessions: number;
  /** For the operator's page: what is wrong, or how full it is. */
  readonly detail: string;
}

/** What an engine tells of its own accord. */
export interface MediaEvents {
  /** Nothing has come for longer than a session may be silent; it is released already. */
  onSilent(session: string, report: MediaReport): void;
  /** The sessions are gone, with the server that had them. */
  onLost(sessions: readonly string[]): void;
}

/** Stands in the path of media: the built-in relay, or a client of rtpengine. But for `start`, no call rejects. */
export interface MediaEngine {
  readonly health: MediaHealth;
  /** Resolves once media can be anchored; rejects when the configuration can never work on this machine. */
  start(events: MediaEvents): Promise<void>;
  close(): Promise<void>;
  /** Asked before a call or a change of one goes on: what already stands in the way. Undefined: nothing. */
  check(sdp: Uint8Array, sender: MediaPeer): MediaRefusal | undefined;
  /**
   * An offer, in an INVITE, UPDATE or PRACK or in the response to an INVITE without one. Each one of a session
   * authorises its sender's media to come from another place than before.
   */
  offer(exchange: MediaExchange): Promise<MediaResult>;
  /** The answer to the session's last offer; of a forked call several, of which the newest is heard. Authorises too. */
  answer(exchange: MediaExchange): Promise<MediaResult>;
  /** The party's identity has proved itself at another address: its media may come from there. */
  reauthorize(session: string, party: MediaParty, peer: MediaPeer): void;
  /** What was sent so far; undefined when there is no such session. */
  query(session: string): Promise<MediaReport | undefined>;
  /** Ends a session and frees what it holds; says what was sent in it. */
  release(session: string): Promise<MediaReport | undefined>;
}
