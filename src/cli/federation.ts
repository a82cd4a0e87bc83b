import type { Command } from 'commander';
import { isFingerprint, nameOfSipUser } from '../tokens/index.ts';
import { addCommand, addGroup, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import { formatTime } from './output.ts';
import { allPages, withOverlay } from './overlay-access.ts';
import type { Terminal } from './terminal.ts';

/** What is remembered of identities of other operators, and how to let go of it. */
export function registerFederation(program: Command, terminal: Terminal): void {
  const group = addGroup(program, 'federation', 'what is remembered of identities of other operators');

  addCommand(group, {
    usage: 'pins',
    summary:
      'list the keys that names of other domains had when they were last seen, and identities with their home',
    example: 'federation pins --json',
  }).action(async (options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const entries = await withOverlay(config(), (overlay) => allPages((page) => overlay.foreign.list(page)));
    const rows = entries.map(({ key, domain, homeSince, publicKey }) => ({
      who: key,
      domain,
      seen: formatTime(homeSince),
      publicKey,
    }));
    output.list(
      rows.toSorted((a, b) => (a.who < b.who ? -1 : 1)),
      [
        { title: 'WHO', value: ({ who }) => who },
        { title: 'HOME', value: ({ domain }) => domain },
        { title: 'SIGNED', value: ({ seen }) => seen },
        { title: 'KEY', value: ({ publicKey }) => publicKey },
      ],
      'nobody of another operator has been seen yet',
    );
  });

  addCommand(group, {
    usage: 'forget <who>',
    summary:
      'believe whoever shows up there next: after "name-changed", once you know why the key is another one',
    example: 'federation forget jis:bob@b.example',
  }).action(async (who: string, options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const key = pinOf(who);
    const forgotten = await withOverlay(config(), (overlay) => overlay.foreign.forget(key));
    if (forgotten === undefined)
      throw new CliError(
        'notFound',
        `nothing is remembered of ${who}`,
        'list what is with: tibet-sip federation pins',
      );
    const { publicKey } = forgotten;
    output.document({ who: key, forgotten: publicKey }, [
      ['forgotten', key],
      ['key', publicKey],
    ]);
    output.note('a running gateway asks anew within federation.freshMs');
  });
}

/** As names are pinned: `jis:bob@b.example`, also when `bob@b.example` is written. */
function pinOf(who: string): string {
  const at = who.lastIndexOf('@');
  if (at < 0 || isFingerprint(who)) return who;
  const name = nameOfSipUser(who.slice(0, at))?.text ?? who.slice(0, at);
  return `${name}@${who.slice(at + 1).toLowerCase()}`;
}
