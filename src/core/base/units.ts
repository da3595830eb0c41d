/** Branded numbers and strings: the compiler keeps a rate from being added to an amount. */
declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** Autonomous system number, 0 to 4294967295 (RFC 6793). */
export type Asn = Branded<number, 'Asn'>;
/** Name of a link, as settings give it. */
export type LinkId = Branded<string, 'LinkId'>;
/** Name of a border router, as settings give it. */
export type RouterId = Branded<string, 'RouterId'>;
/** Canonical prefix text (RFC 5952 for IPv6), host bits zero. */
export type PrefixText = Branded<string, 'PrefixText'>;
/** Bits per second, layer 2 unless a name says otherwise. */
export type Bitps = Branded<number, 'Bitps'>;
/** Money in millionths of a currency unit, always an integer. */
export type Micros = Branded<number, 'Micros'>;
/** Milliseconds: since the Unix epoch for a time, else a duration. */
export type Ms = Branded<number, 'Ms'>;

// The casts are the one place where a bare value gets its brand.
export const asn = (value: number): Asn => value as Asn;
export const linkId = (value: string): LinkId => value as LinkId;
export const routerId = (value: string): RouterId => value as RouterId;
export const prefixText = (value: string): PrefixText => value as PrefixText;
export const bitps = (value: number): Bitps => value as Bitps;
export const micros = (value: number): Micros => value as Micros;
export const ms = (value: number): Ms => value as Ms;
