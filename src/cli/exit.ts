import {isHawserError, type ErrorCode} from '../index.ts';

/** The exit codes of the command, the same for every subcommand. Scripts rely on them. */
export const exit = {
  ok: 0,
  other: 1,
  usage: 2,
  connect: 3,
  authentication: 4,
  refused: 5,
  integrity: 6,
  /** Local reading, writing or listening failed, or the disk is full. */
  local: 7,
  /** Finished, with some entries failed. */
  partial: 8,
  version: 11,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exit)[keyof typeof exit];

/** The exit code that tells a script why a session or a command failed. */
export function exitCodeOf(error: unknown): ExitCode {
  return isHawserError(error) ? exitCodes[error.code] : exit.other;
}

const exitCodes: Record<ErrorCode, ExitCode> = {
  INVALID_OPTION: exit.usage,
  TICKET_INVALID: exit.usage,
  TICKET_DIRECTION: exit.usage,
  NAME_NOT_FOUND: exit.connect,
  CONNECTION_REFUSED: exit.connect,
  UNREACHABLE: exit.connect,
  CONNECTION_TIMEOUT: exit.connect,
  CONNECTION_LOST: exit.connect,
  AUTHENTICATION_FAILED: exit.authentication,
  TICKET_EXPIRED: exit.authentication,
  CODE_REJECTED: exit.authentication,
  KEY_CHANGED: exit.authentication,
  REFUSED: exit.refused,
  INTEGRITY: exit.integrity,
  PORT_IN_USE: exit.local,
  ADDRESS_UNAVAILABLE: exit.local,
  PERMISSION_DENIED: exit.local,
  NOT_FOUND: exit.local,
  DISK_FULL: exit.local,
  FOLDER_IN_USE: exit.local,
  IO: exit.local,
  VERSION_MISMATCH: exit.version,
  PROTOCOL: exit.other,
  CANCELLED: exit.interrupted,
  NATIVE_LOAD: exit.other,
  INTERNAL: exit.other,
};
