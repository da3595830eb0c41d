import { notificationCode } from './codes.ts';

/**
 * What an error in a message leads to, from the mildest (RFC 7606 section 2): the attribute is left out, the
 * message's routes are taken as withdrawn, or the session is reset with a NOTIFICATION.
 */
export const reactions = ['discard_attribute', 'treat_as_withdraw', 'reset_session'] as const;
export type Reaction = (typeof reactions)[number];

export interface BgpError {
  /** What is wrong, in words that counters use: `origin_value`, `as_path_segment_type`, … */
  readonly code: string;
  /** Bytes from the start of the message (its marker), or of the block of attributes where there is no message. */
  readonly offset: number;
  readonly reaction: Reaction;
  /** Type code of the attribute that is wrong. */
  readonly attribute?: number;
  /** What a NOTIFICATION about it says (RFC 4271 section 6), whether one is sent or not. */
  readonly notification: {
    readonly code: number;
    readonly subcode: number;
    readonly data?: Uint8Array;
  };
}

export const isWorse = (a: Reaction, b: Reaction): boolean =>
  reactions.indexOf(a) > reactions.indexOf(b);

/** The strongest reaction among errors; undefined when there are none. */
export function strongest(errors: readonly BgpError[]): Reaction | undefined {
  let worst: Reaction | undefined;
  for (const { reaction } of errors) {
    if (worst === undefined || isWorse(reaction, worst)) worst = reaction;
  }
  return worst;
}

export function headerError(
  code: string,
  subcode: number,
  offset: number,
  data?: Uint8Array,
): BgpError {
  return resetError(code, notificationCode.messageHeader, subcode, offset, data);
}

export function resetError(
  code: string,
  notification: number,
  subcode: number,
  offset: number,
  data?: Uint8Array,
): BgpError {
  return {
    code,
    offset,
    reaction: 'reset_session',
    notification: { code: notification, subcode, ...(data ? { data } : {}) },
  };
}
