import { runCommandLine } from './program.ts';
import { processTerminal } from './terminal.ts';

// `tibet-sip audit list | head` closes the pipe early: that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await runCommandLine(process.argv.slice(2), processTerminal);
