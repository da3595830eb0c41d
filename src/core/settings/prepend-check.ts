import type { Complaint } from './complaint.ts';
import type { ParsedSettings } from './schema.ts';

/** Prepends in the path itself bias all that a router tells, and a router may drop its own AS as a loop. */
export function prependComplaints(settings: ParsedSettings): Complaint[] {
  return settings.routers.flatMap(({ name, asn, bgp }, i) => {
    if (bgp?.prepend !== 'path') return [];
    const links = settings.links.filter(({ router }) => router === name).length;
    const wrong =
      links !== 1
        ? `${name} has ${links} links, and a path is the same for all of them; use community`
        : (asn ?? settings.asn) !== settings.asn
          ? `${name} is of another AS: our AS in the path is for iBGP alone; use community`
          : settings.bmp === undefined
            ? `without bmp nobody says whether ${name} takes its own AS in the path; set bmp or use community`
            : undefined;
    return wrong === undefined ? [] : [{ path: ['routers', i, 'bgp', 'prepend'], message: wrong }];
  });
}
