import { type DestinationStream, pino } from 'pino';
import { type Clock, systemClock } from './clock.ts';
import { RepeatedLines } from './repeated-lines.ts';

export type LogFields = Readonly<Record<string, unknown>>;
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Structured log. Never give it token, key or credential bytes. */
export interface Logger {
  /** False when debug lines go nowhere: ask before building fields on the call path. */
  readonly debugEnabled: boolean;
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/**
 * A logger that writes JSON lines to `destination` (default: standard error). Of warnings with one text only the first
 * in a second are written, then their number.
 */
export function createLogger(
  level: LogLevel,
  destination?: DestinationStream,
  clock: Clock = systemClock,
): Logger {
  const sink = pino(
    // Without a serializer an Error is written as {}.
    { level, base: null, serializers: { error: pino.stdSerializers.err } },
    destination ?? pino.destination({ dest: 2, sync: true }),
  );
  const warnings = new RepeatedLines(clock, (unsaid, message) => sink.warn({ unsaid }, message));
  return {
    debugEnabled: sink.isLevelEnabled('debug'),
    debug: (fields, message) => sink.debug(fields, message),
    info: (fields, message) => sink.info(fields, message),
    warn: (fields, message) => {
      if (warnings.admits(message)) sink.warn(fields, message);
    },
    error: (fields, message) => sink.error(fields, message),
  };
}

const nothing = (): void => {};

export const silentLogger: Logger = {
  debugEnabled: false,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
};
