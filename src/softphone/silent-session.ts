import type {
  BodyAndContentType,
  Session,
  SessionDescriptionHandler,
  SessionDescriptionHandlerFactory,
} from 'sip.js';

const contentType = 'application/sdp';

/** An audio line that a telephone accepts and that carries nothing: inactive, discard port (RFC 3264 §5.1). */
export function inactiveAudio(sessionId: number, version: number): string {
  return [
    'v=0',
    `o=- ${sessionId} ${version} IN IP4 127.0.0.1`,
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    'm=audio 9 RTP/AVP 0 8',
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:8 PCMA/8000',
    'a=inactive',
    '',
  ].join('\r\n');
}

/** Offer and answer for a phone without a microphone: signalling is complete, media is declared inactive. */
class SilentSession implements SessionDescriptionHandler {
  readonly #sessionId: number;
  #version = 0;

  constructor(sessionId: number) {
    this.#sessionId = sessionId;
  }

  close(): void {}

  async getDescription(): Promise<BodyAndContentType> {
    return { body: inactiveAudio(this.#sessionId, ++this.#version), contentType };
  }

  hasDescription(type: string): boolean {
    return type.toLowerCase().startsWith(contentType);
  }

  async setDescription(): Promise<void> {}

  sendDtmf(): boolean {
    return false;
  }
}

/** The session description handler factory for SIP.js that makes calls without media. */
export function silentSessions(): SessionDescriptionHandlerFactory {
  let sessionId = Date.now();
  return (_session: Session): SessionDescriptionHandler => new SilentSession(++sessionId);
}
