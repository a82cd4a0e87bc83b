import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type * as Admission from '../admission/index.ts';
import { decodeBase64Url, encodeBase64Url, systemClock, systemRandom } from '../base/index.ts';
import { decodeClaim, isFingerprint, sha256 } from '../tokens/index.ts';
import { addCommand, addGroup, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import { openIdentity, type PassphraseOptions, passphraseHelp, readPublicToken } from './identity-source.ts';
import type { Terminal } from './terminal.ts';

/** Loaded late: no other command needs an HTTP server. */
const loadAdmission = (): Promise<typeof Admission> => import('../admission/index.ts');

interface MembersOptions extends CommonOptions {
  readonly members: string;
}

interface ServeOptions extends MembersOptions, PassphraseOptions {
  readonly identity: string;
  readonly listen: string;
  readonly remember: string;
}

const membersHelp = "JSON list of the realm's members";

/** A realm: a company or club whose word says who belongs to it. */
export function registerRealm(program: Command, terminal: Terminal): void {
  const group = addGroup(program, 'realm', 'a community that says, when asked, who belongs to it');
  registerMembers(group, terminal);

  addCommand(group, {
    usage: 'serve',
    summary: 'answer, signed, who is a member and which claims still stand, until SIGINT or SIGTERM',
    example: 'realm serve --identity acme.json --members members.json --listen http://127.0.0.1:8070',
  })
    .requiredOption('--identity <file>', "the realm's identity, whose key signs the answers")
    .requiredOption('--members <file>', membersHelp)
    .option('--listen <url>', 'where; for the public, put TLS in front', 'http://127.0.0.1:8070')
    .option('--remember <seconds>', 'how long an answer may be remembered', '300')
    .option('--passphrase-file <file>', passphraseHelp)
    .action(async (options: ServeOptions) => {
      const { output } = openContext(terminal, options);
      const { key, token } = await openIdentity(terminal, options.identity, options);
      if (!URL.canParse(options.listen)) throw new CliError('usage', `${options.listen} is no address`);
      const { hostname, port } = new URL(options.listen);
      const answerLifetimeSeconds = Number(options.remember);
      if (!Number.isInteger(answerLifetimeSeconds) || answerLifetimeSeconds < 1)
        throw new CliError('usage', '--remember takes a whole number of seconds');
      const { MemberBook, VouchingService, vouchingPath } = await loadAdmission();
      const members = new MemberBook(options.members);
      const service = new VouchingService({
        host: hostname,
        port: port === '' ? 80 : Number(port),
        key,
        token,
        members,
        answerLifetimeSeconds,
        clock: systemClock,
      });
      const bound = await service.start();
      const url = `http://${hostname}:${bound}${vouchingPath}`;
      if (output.json) output.jsonLine({ ready: true, url, realm: token.fingerprint });
      else output.text(`ready ${url} (${token.subject}, ${members.list().members.length} members)`);
      await new Promise<void>((resolve) => terminal.onSignal(() => resolve()));
      await service.close();
    });

  addCommand(group, {
    usage: 'ask <url>',
    summary: 'ask a realm whether it knows an identity as its member',
    example: 'realm ask http://127.0.0.1:8070/vouch --realm acme.pub --member night-shift.json',
  })
    .requiredOption('--realm <file>', "the realm's public token")
    .requiredOption('--member <file>', 'an identity that names this realm')
    .action(async (url: string, options: CommonOptions & { realm: string; member: string }) => {
      const { output } = openContext(terminal, options);
      const realm = readPublicToken(options.realm);
      const { VouchingClient } = await loadAdmission();
      const client = new VouchingClient({ clock: systemClock, random: systemRandom });
      const authority = { name: realm.subject, token: realm, url, timeoutMs: 5_000, askAboutClaims: false };
      const verdict = await client.realmConfirms(readPublicToken(options.member), authority);
      output.document({ realm: realm.fingerprint, verdict }, [
        ['realm', `${realm.subject} (${realm.fingerprint})`],
        ['answer', verdict],
      ]);
      if (verdict === 'unreachable') throw new CliError('unavailable', `${url} does not answer`);
      if (verdict !== 'confirmed') throw new CliError('refused', `the realm does not confirm: ${verdict}`);
    });
}

function registerMembers(group: Command, terminal: Terminal): void {
  addCommand(group, {
    usage: 'add <who>',
    summary: 'make an identity a member; a running realm service knows at once',
    example: 'realm add night-shift.json --members members.json',
  })
    .requiredOption('--members <file>', membersHelp)
    .option('--name <text>', "for the realm's own people (else the identity's name)")
    .option('--person <who>', 'whose pseudonym it is, for auditors: a fingerprint or an identity file')
    .action(async (who: string, options: MembersOptions & { name?: string; person?: string }) => {
      const { output } = openContext(terminal, options);
      const { fingerprint, subject } = fingerprintOf(who);
      const name = options.name ?? subject ?? fingerprint;
      const person = options.person === undefined ? undefined : fingerprintOf(options.person).fingerprint;
      const member = { fingerprint, name, ...(person === undefined ? {} : { person }) };
      (await membersOf(options)).add(member);
      output.document(member, [
        ['member', `${name} (${fingerprint})`],
        ['person', person],
      ]);
    });

  addCommand(group, {
    usage: 'remove <who>',
    summary: 'take a member out; what others remember of it ends with the time that the answer allowed',
    example: 'realm remove night-shift.json --members members.json',
  })
    .requiredOption('--members <file>', membersHelp)
    .action(async (who: string, options: MembersOptions) => {
      const { output } = openContext(terminal, options);
      const { fingerprint } = fingerprintOf(who);
      if (!(await membersOf(options)).remove(fingerprint))
        throw new CliError('notFound', `${who} is no member`);
      output.note(`${fingerprint} is no member any more`);
    });

  addCommand(group, {
    usage: 'withdraw <claim>',
    summary: 'stand by a claim no longer, before its time',
    example: 'realm withdraw employee.claim --members members.json',
  })
    .requiredOption('--members <file>', membersHelp)
    .action(async (file: string, options: MembersOptions) => {
      const { output } = openContext(terminal, options);
      const bytes = decodeBase64Url(readFileSync(file, 'utf8').trim());
      if (bytes === undefined) throw new CliError('usage', `${file} holds no claim`);
      const { name, subject } = decodeClaim(bytes);
      (await membersOf(options)).withdraw(encodeBase64Url(sha256(bytes)));
      output.note(`the claim ${name} of ${subject} no longer stands`);
    });

  addCommand(group, {
    usage: 'list',
    summary: 'list the members',
    example: 'realm list --members members.json',
  })
    .requiredOption('--members <file>', membersHelp)
    .action(async (options: MembersOptions) => {
      const { output } = openContext(terminal, options);
      output.list(
        (await membersOf(options)).list().members,
        [
          { title: 'NAME', value: ({ name }) => name },
          { title: 'FINGERPRINT', value: ({ fingerprint }) => fingerprint },
          { title: 'PERSON', value: ({ person }) => person ?? '' },
        ],
        'nobody is a member',
      );
    });
}

async function membersOf({ members }: MembersOptions): Promise<Admission.MemberBook> {
  const { MemberBook } = await loadAdmission();
  return new MemberBook(members);
}

function fingerprintOf(who: string): { readonly fingerprint: string; readonly subject: string | undefined } {
  return isFingerprint(who) ? { fingerprint: who, subject: undefined } : readPublicToken(who);
}
