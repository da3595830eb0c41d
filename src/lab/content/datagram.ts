/** What the content network's hosts send: the number of the destination, and zeros. */
export const datagramBytes = 1000;
/** IPv4 and UDP. */
export const headerBytes = 28;
export const sinkPort = 9;
