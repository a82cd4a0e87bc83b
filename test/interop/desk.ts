import {
  createResponse,
  headerField,
  headerValue,
  parseNameAddr,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from '../../src/sip/index.ts';
import { answeringDirection, directionOf } from '../support/silent-peer-connection.ts';
import type { RequestOptions, SipAgent } from '../support/sip-agent.ts';
import { calleeDialog, callerDialog, type Dialog } from '../support/sip-dialog.ts';

const contentType = 'application/sdp';

/** The other side of a phone's calls: it looks at each message, and answers as a telephone does. */
export class Desk {
  readonly #agent: SipAgent;

  constructor(agent: SipAgent) {
    this.#agent = agent;
  }

  get user(): string {
    return this.#agent.user;
  }

  /** Rings and answers the next call that nobody has taken. */
  async answers(): Promise<DeskCall> {
    const agent = this.#agent;
    const invite = await agent.inbox.take('a call', isFirstInvite);
    agent.reply(invite, 180);
    const answer = answerTo(agent, invite);
    await acknowledged(agent, invite);
    return new DeskCall(agent, calleeDialog(invite, answer), invite);
  }

  async calls(user: string, options: RequestOptions = {}): Promise<DeskCall> {
    const agent = this.#agent;
    const body = description('sendrecv');
    const { request } = await agent.begin('INVITE', `sip:${user}@${agent.domain}`, {
      ...options,
      body,
      contentType,
    });
    const response = await agent.final(request);
    if (response.status !== 200) throw new Error(`${user} answers ${response.status} ${response.reason}`);
    const dialog = callerDialog(response);
    agent.inDialog(dialog, 'ACK');
    return new DeskCall(agent, dialog, request);
  }

  /** Calls where a REFER points, as RFC 5589 says: headers in the Refer-To become headers of the INVITE. */
  follow(referTo: string): Promise<DeskCall> {
    const [uri = '', query = ''] = parseNameAddr(referTo).uri.split('?');
    const headers = query
      .split('&')
      .map((pair) => pair.split('='))
      .filter(([name]) => name?.toLowerCase() === 'replaces')
      .map(([, value = '']) => headerField('Replaces', decodeURIComponent(value)));
    const user = uri.slice(uri.indexOf(':') + 1, uri.indexOf('@'));
    return this.calls(user, { headers });
  }
}

/** A dialog as the party that owns `toTag` knows it. */
export interface DialogId {
  readonly callId: string;
  readonly toTag: string | undefined;
  readonly fromTag: string | undefined;
}

/** One call of the desk. */
export class DeskCall {
  readonly invite: SipRequest;
  readonly #agent: SipAgent;
  readonly #dialog: Dialog;

  constructor(agent: SipAgent, dialog: Dialog, invite: SipRequest) {
    this.#agent = agent;
    this.#dialog = dialog;
    this.invite = invite;
  }

  /** What the Replaces header of whoever is to take the other side's place in this call says (RFC 3891 §6.1). */
  get dialogId(): DialogId {
    const { callId, local, remote } = this.#dialog;
    const [toTag, fromTag] = [local, remote].map((party) => parseNameAddr(party).tag);
    return { callId, toTag, fromTag };
  }

  /** Answers the other side's next offer, and returns the direction that it had (RFC 3264 §8.4). */
  async reoffered(): Promise<string> {
    const invite = await this.#incoming('INVITE');
    answerTo(this.#agent, invite);
    await acknowledged(this.#agent, invite);
    return directionOf(Buffer.from(invite.body).toString());
  }

  /** Offers another direction, and returns what the other side answers. */
  async reoffer(direction: string): Promise<string> {
    const request = this.#send('INVITE', { body: description(direction), contentType });
    const response = await this.#agent.final(request);
    if (response.status !== 200) throw new Error(`re-INVITE: ${response.status} ${response.reason}`);
    this.#agent.inDialog({ ...this.#dialog, inviteCSeq: request.cseq.number }, 'ACK');
    return directionOf(Buffer.from(response.body).toString());
  }

  /** Accepts the other side's REFER (RFC 3515 §2.4.2) and returns its Refer-To. */
  async referred(): Promise<string> {
    const refer = await this.#incoming('REFER');
    this.#agent.reply(refer, 202);
    return headerValue(refer, 'refer-to') ?? '';
  }

  /** Tells the other side what became of its REFER (RFC 3515 §2.4.5). */
  async notify(line: string): Promise<number> {
    const over = line.startsWith('SIP/2.0 2');
    const request = this.#send('NOTIFY', {
      headers: [
        headerField('Event', 'refer'),
        headerField('Subscription-State', over ? 'terminated;reason=noresource' : 'active;expires=60'),
      ],
      body: `${line}\r\n`,
      contentType: 'message/sipfrag;version=2.0',
    });
    return (await this.#agent.final(request)).status;
  }

  /** Transfers the other side, and resolves when it says that it got through. */
  async refer(uri: string, replaced?: DialogId): Promise<void> {
    const { callId, toTag, fromTag } = replaced ?? {};
    const replaces = encodeURIComponent(`${callId};to-tag=${toTag};from-tag=${fromTag}`);
    const headers = [
      headerField('Refer-To', replaced === undefined ? `<${uri}>` : `<${uri}?Replaces=${replaces}>`),
      headerField('Referred-By', `<${this.#agent.address}>`),
    ];
    const { status, reason } = await this.#agent.final(this.#send('REFER', { headers }));
    if (status !== 202) throw new Error(`REFER: ${status} ${reason}`);
    for (let line = ''; !line.startsWith('SIP/2.0 200'); ) {
      // Some put the first call on hold meanwhile.
      const request = await this.#incoming('NOTIFY', 'INVITE');
      if (request.method === 'INVITE') answerTo(this.#agent, request);
      else this.#agent.reply(request, 200);
      line = Buffer.from(request.body).toString();
    }
  }

  /** What somebody else's INVITE wanted to replace. */
  get replacing(): DialogId {
    const [callId = '', ...params] = headerValue(this.invite, 'replaces')?.split(';') ?? [];
    const tags = new Map(params.map((param) => [param.split('=')[0], param.split('=')[1]]));
    return { callId, toTag: tags.get('to-tag'), fromTag: tags.get('from-tag') };
  }

  async hungUp(): Promise<void> {
    this.#agent.reply(await this.#incoming('BYE'), 200);
  }

  async hangUp(): Promise<number> {
    return (await this.#agent.final(this.#send('BYE'))).status;
  }

  /** After a transfer it is the transferor's to hang up; phones that do it first are right as well (RFC 5589 §6.1). */
  async ends(): Promise<void> {
    const theirs = this.hungUp();
    await Promise.race([theirs, this.hangUp()]);
  }

  #send(method: string, options: RequestOptions = {}): SipRequest {
    return this.#agent.inDialog(this.#dialog, method, options);
  }

  #incoming(...methods: readonly string[]): Promise<SipRequest> {
    const { callId } = this.#dialog;
    return this.#agent.inbox.take(`${methods} in a call`, (message): message is SipRequest => {
      return message.kind === 'request' && methods.includes(message.method) && message.callId === callId;
    });
  }
}

function isFirstInvite(message: SipMessage): message is SipRequest {
  return message.kind === 'request' && message.method === 'INVITE' && message.to.tag === undefined;
}

async function acknowledged(agent: SipAgent, invite: SipRequest): Promise<void> {
  await agent.inbox.take('ACK', (message): message is SipRequest => {
    return (
      message.kind === 'request' &&
      message.method === 'ACK' &&
      message.callId === invite.callId &&
      message.cseq.number === invite.cseq.number
    );
  });
}

/** Accepts an offer, in the direction that fits it. */
function answerTo(agent: SipAgent, invite: SipRequest): SipResponse {
  const offered = Buffer.from(invite.body).toString();
  const routes = invite.headers.filter(({ name }) => name === 'record-route');
  const response = createResponse(invite, 200, undefined, {
    ...(invite.to.tag === undefined ? { toTag: agent.tag } : {}),
    headers: [...routes, headerField('Contact', agent.contact)],
    body: Buffer.from(description(answeringDirection(directionOf(offered)))),
    contentType,
  });
  agent.send(response);
  return response;
}

let version = 0;

/** One audio line with nobody behind it. */
function description(direction: string): string {
  return [
    'v=0',
    `o=desk 1 ${++version} IN IP4 127.0.0.1`,
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    'm=audio 9 RTP/AVP 0',
    'a=rtpmap:0 PCMU/8000',
    `a=${direction}`,
    '',
  ].join('\r\n');
}
