import { isIP } from 'node:net';
import {
  type MediaEngine,
  type MediaRefusal,
  type MediaReport,
  RelayEngine,
  RtpengineEngine,
} from '../../media/index.ts';
import {
  type Flow,
  type ForwardDecision,
  headerValue,
  type ProxyPolicy,
  type ProxyTransactions,
  parseNameAddr,
  parseUri,
  type RegistrationChange,
  type RespondDecision,
  SipParseError,
  type SipRequest,
} from '../../sip/index.ts';
import type { Call } from '../call-records.ts';
import type { CallTable } from '../call-table.ts';
import type { Surroundings } from '../parts.ts';
import { DirectMedia } from './direct-media.ts';
import { type CallPeer, MediaCalls } from './media-calls.ts';
import { MediaPath, type Passage } from './media-path.ts';
import { MediaPolicy, refusalAnswer, refusalOf } from './media-policy.ts';

/** What of a call's media goes into its closing record: one entry for each stream and party. */
export type MediaQuality = Readonly<Record<string, string | number>>;

/** What the rest of the gateway needs where media is anchored. */
export interface Anchoring {
  readonly engine: MediaEngine;
  /** Once sockets may be opened. */
  start(): Promise<void>;
  /** The proxy's transactions, with session descriptions rewritten on their way. */
  readonly transactions: ProxyTransactions;
  readonly around: (policy: ProxyPolicy) => ProxyPolicy;
  /** What stands in the way of a call before it is forwarded. */
  readonly refusal: (request: SipRequest, flow: Flow) => RespondDecision | undefined;
  /** Ends a call's media; undefined when it had none here. */
  readonly end: (call: Call) => Promise<readonly MediaQuality[]> | undefined;
  /** An identity is reached elsewhere now: the media of its calls may come from there. */
  readonly phonesChanged: (fingerprint: string, changes: readonly RegistrationChange[]) => void;
}

export interface MediaParts {
  readonly transactions: ProxyTransactions;
  readonly calls: CallTable;
  readonly isPeer: (flow: Flow) => boolean;
  /** A call in which nobody is heard any more, or whose relay is gone. */
  readonly onLost: (call: Call, reason: string) => void;
  readonly onRefused: (fault: string) => void;
}

/** Undefined when media is none of this gateway's business. */
export function composeMedia(around: Surroundings, parts: MediaParts): Anchoring | undefined {
  const { config, random, logger, closing } = around;
  if (config.media.mode === 'off') return undefined;
  const engine = engineFor(around);
  const media = new MediaCalls({ engine, direct: new DirectMedia(config.media.direct), random, logger });
  const passages = new WeakMap<ForwardDecision, Passage>();
  const onRefused = ({ fault }: MediaRefusal): void => parts.onRefused(fault);
  const peerOn = (flow: Flow, contactHost: string | undefined): CallPeer => ({
    observed: flow.remote.address,
    local: flow.local.address,
    transport: flow.transport,
    trusted: parts.isPeer(flow),
    contactHost,
  });
  const senderOf = (request: SipRequest, flow: Flow): CallPeer => peerOn(flow, contactHostOf(request));
  const lose = (session: string, report: MediaReport | undefined, reason: string): void => {
    const found = media.ofSession(session);
    if (found === undefined) return;
    const { call } = found.media;
    media.forget(found.branch, report);
    if (found.media.branches.size > 0) return;
    if (call !== undefined) parts.onLost(call, reason);
    else void media.end(found.media);
  };
  closing.opened(() => engine.close());
  return {
    engine,
    start: () =>
      engine.start({
        onSilent: (session, report) => lose(session, report, 'no media within limits.media.silenceMs'),
        onLost: (sessions) => {
          for (const session of sessions) lose(session, undefined, 'the media relay was lost');
        },
      }),
    transactions: new MediaPath({
      transactions: parts.transactions,
      calls: media,
      passages,
      peerAt: (flow, requestUri) => peerOn(flow, hostOf(requestUri)),
      logger,
      onRefused,
    }),
    around: (policy) =>
      new MediaPolicy({ policy, engine, media, calls: parts.calls, passages, senderOf, onRefused }),
    refusal: (request, flow) => {
      const refused = refusalOf(request, senderOf(request, flow), engine);
      if (refused === undefined) return undefined;
      onRefused(refused);
      return refusalAnswer(refused);
    },
    end: (call) => {
      const ending = media.ofCall(call);
      return ending && media.end(ending).then(qualityOf);
    },
    phonesChanged: (fingerprint, changes) => {
      for (const change of changes) {
        if (change.kind === 'removed') continue;
        if (change.kind === 'refreshed' && change.previous.flowId === change.binding.flowId) continue;
        moved(media, fingerprint, change.binding.observed.address);
      }
    },
  };
}

/** What phones reach for signalling they reach for media too. */
function advertised(host: string | undefined): readonly string[] {
  return host === undefined || isIP(host) === 0 ? [] : [host];
}

function moved(media: MediaCalls, fingerprint: string, observed: string): void {
  for (const { call, caller, branches } of media.ofIdentity(fingerprint))
    for (const branch of branches) {
      if (call?.caller.fingerprint === fingerprint) branch.reauthorize('caller', { ...caller, observed });
      if (call?.callee.fingerprint === fingerprint)
        branch.reauthorize('callee', { ...branch.callee, observed });
    }
}

function engineFor({ config, clock, random, logger }: Surroundings): MediaEngine {
  const { mode, listen, address, ports, learnFrom, rtpengine } = config.media;
  const limits = config.limits.media;
  if (mode === 'rtpengine')
    return new RtpengineEngine({
      ...rtpengine,
      limits: config.limits.rtpengine,
      sdpLimits: limits,
      silenceMs: limits.silenceMs,
      holdMs: limits.holdMs,
      clock,
      random,
      logger,
    });
  return new RelayEngine({
    listen,
    address: address.length === 0 ? advertised(config.advertise) : address,
    ports,
    learnFrom,
    limits,
    clock,
    logger,
  });
}

function qualityOf(reports: readonly MediaReport[]): readonly MediaQuality[] {
  return reports.flatMap(({ streams }) =>
    streams.map(({ index, kind, from, packets, bytes, lost, jitterMs, moves, dropped }) => ({
      from,
      stream: index,
      kind,
      packets,
      bytes,
      ...(lost === undefined ? {} : { lost }),
      ...(jitterMs === undefined ? {} : { jitterMs: Math.round(jitterMs) }),
      ...(moves === undefined ? {} : { moves }),
      dropped,
    })),
  );
}

function contactHostOf(request: SipRequest): string | undefined {
  const contact = headerValue(request, 'contact');
  if (contact === undefined) return undefined;
  try {
    return hostOf(parseNameAddr(contact).uri);
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}

function hostOf(text: string): string | undefined {
  try {
    const uri = parseUri(text);
    if (uri.scheme !== 'sip' && uri.scheme !== 'sips') return undefined;
    return uri.host.startsWith('[') ? uri.host.slice(1, -1) : uri.host;
  } catch (error) {
    if (error instanceof SipParseError) return undefined;
    throw error;
  }
}
