import type { Command } from 'commander';
import { explainTrust, type IdentityOverlay, type IdentityRecord } from '../overlay/index.ts';
import { addCommand, addGroup, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import { registerHonouring } from './identity-ending.ts';
import { readPublicToken } from './identity-source.ts';
import { formatTime, type Output } from './output.ts';
import { allPages, mustFind, withOverlay } from './overlay-access.ts';
import { registerOverlayClaim } from './overlay-claim.ts';
import { registerOverlayDemo } from './overlay-demo.ts';
import { registerEndpoints } from './overlay-endpoint.ts';
import type { Terminal } from './terminal.ts';

export function registerOverlay(program: Command, terminal: Terminal): void {
  const group = addGroup(program, 'overlay', 'who there is, by which names, and where each can be reached');
  registerEndpoints(group, terminal);
  registerEnrolment(group, terminal);

  addCommand(group, {
    usage: 'list',
    summary: 'list the identities that are enrolled',
    example: 'overlay list --json',
  }).action(async (options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const rows = await withOverlay(config(), async (overlay) => {
      const identities = await allPages((page) => overlay.identities(page));
      return Promise.all(identities.map((identity) => describeIdentity(overlay, identity)));
    });
    output.list(
      rows.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      [
        { title: 'NAME', value: ({ name }) => name },
        { title: 'STATUS', value: ({ status }) => status },
        { title: 'KEY', value: ({ custody }) => custody },
        { title: 'TRUST', value: ({ trust }) => trust.toFixed(2) },
        { title: 'REGISTERED', value: ({ registered }) => String(registered) },
        { title: 'ALIASES', value: ({ aliases }) => aliases.join(' ') },
        { title: 'FINGERPRINT', value: ({ fingerprint }) => fingerprint },
      ],
      'nobody is enrolled; a phone enrols when it registers, or use: tibet-sip overlay register alice.json',
    );
  });

  addCommand(group, {
    usage: 'show <who>',
    summary: 'what is known of one identity, and why it is trusted as it is',
    example: 'overlay show jis:alice',
  }).action(async (who: string, options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    await withOverlay(config(), async (overlay) =>
      showIdentity(output, await describeIdentity(overlay, await mustFind(overlay, who))),
    );
  });

  addCommand(group, {
    usage: 'info [who]',
    summary: 'what is known of one identity, or of the overlay as a whole',
    example: 'overlay info jis:alice',
  }).action(async (who: string | undefined, options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const loaded = config();
    await withOverlay(loaded, async (overlay) => {
      if (who !== undefined)
        return showIdentity(output, await describeIdentity(overlay, await mustFind(overlay, who)));
      const identities = await allPages((page) => overlay.identities(page));
      const devices = await allPages((page) => overlay.devices(page));
      const { enrolment } = loaded.overlay;
      // The address of a shared store may hold a password.
      const { kind } = loaded.overlay.store;
      const count = { identities: identities.length, devices: devices.length };
      output.document({ domain: loaded.domain, store: kind, enrolment, ...count }, [
        ['domain', loaded.domain],
        ['store', kind === 'embedded' ? `embedded, in ${loaded.dataDir}` : 'redis'],
        ['enrolment', enrolment],
        ['identities', String(count.identities)],
        ['stock phones', String(count.devices)],
      ]);
    });
  });

  registerHonouring(group, terminal);
  registerOverlayClaim(group, terminal);
  registerOverlayDemo(group, terminal);
}

/** An operator's decisions about who takes part. */
function registerEnrolment(group: Command, terminal: Terminal): void {
  const decision = (
    usage: string,
    summary: string,
    example: string,
    decide: (overlay: IdentityOverlay, identity: IdentityRecord, value: string) => Promise<IdentityRecord>,
  ): void => {
    addCommand(group, { usage, summary, example }).action(
      async (who: string, value: string | CommonOptions, command: CommonOptions) => {
        const [text, options] = typeof value === 'string' ? [value, command] : ['', value];
        const { output, config } = openContext(terminal, options);
        await withOverlay(config(), async (overlay) => {
          const changed = await decide(overlay, await mustFind(overlay, who), text);
          showIdentity(output, await describeIdentity(overlay, changed));
        });
      },
    );
  };
  decision(
    'approve <who>',
    'let an identity take part that waits for it',
    'overlay approve jis:alice',
    (overlay, { fingerprint }) => overlay.approve(fingerprint),
  );
  decision(
    'revoke <who>',
    'trust the key of an identity no longer, for ever',
    'overlay revoke jis:alice',
    (overlay, { fingerprint }) => overlay.revoke(fingerprint),
  );
  decision(
    'alias <who> <number>',
    'give an identity an extension or E.164 number',
    'overlay alias jis:alice 1001',
    (overlay, { fingerprint }, alias) => overlay.addAlias(fingerprint, alias),
  );
  decision(
    'unalias <who> <number>',
    'take a number away again',
    'overlay unalias jis:alice 1001',
    (overlay, { fingerprint }, alias) => overlay.removeAlias(fingerprint, alias),
  );

  addCommand(group, {
    usage: 'enrol <file>',
    summary: "take in somebody's public token as an operator; needs no secret key",
    example: 'overlay enrol alice.json',
  }).action(async (file: string, options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const token = readPublicToken(file);
    await withOverlay(config(), async (overlay) => {
      const result = await overlay.enrol(token, { policy: 'open', intent: 'enrolled by the operator' });
      if (result.kind === 'refused')
        throw new CliError(
          result.code === 'name-taken' ? 'conflict' : 'refused',
          `${file}: ${result.error.message}`,
        );
      showIdentity(output, await describeIdentity(overlay, result.identity));
    });
  });
}

interface IdentityView {
  readonly name: string;
  readonly fingerprint: string;
  readonly status: string;
  readonly custody: string;
  readonly trust: number;
  readonly proofs: { readonly verified: number; readonly failed: number; readonly explained: string };
  readonly aliases: readonly string[];
  readonly expires: string;
  readonly enrolled: string;
  readonly registered: number;
}

async function describeIdentity(overlay: IdentityOverlay, identity: IdentityRecord): Promise<IdentityView> {
  const { name, fingerprint, status, custody, aliases, expires, createdAtMs } = identity;
  return {
    name,
    fingerprint,
    status,
    custody,
    trust: identity.trustScore,
    proofs: {
      verified: identity.trust.verified,
      failed: identity.trust.failed,
      explained: explainTrust(identity.trust, Date.now()),
    },
    aliases,
    expires: formatTime(expires),
    enrolled: formatTime(createdAtMs / 1000),
    registered: (await overlay.bindings(fingerprint)).length,
  };
}

function showIdentity(output: Output, view: IdentityView): void {
  output.document(view, [
    ['name', view.name],
    ['fingerprint', view.fingerprint],
    ['status', view.status],
    ['key', view.custody === 'device' ? 'held by the device' : 'held by the gateway'],
    ['trust', view.proofs.explained],
    ['aliases', view.aliases.join(' ') || undefined],
    ['registered', `${view.registered} phones`],
    ['enrolled', `${view.enrolled}, token good until ${view.expires}`],
  ]);
}
