
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the guarded plist reader is made of: the check of binary plists, and
 * the reader that turns XML into a binary plist.  Only mdm_plist*.c include
 * this.
 */


#ifndef _MDM_PLIST_GUARD_H_INCLUDED_
#define _MDM_PLIST_GUARD_H_INCLUDED_


#include "mdm_plist.h"


/* what libplist allocates, as malloc() rounds it */

#define MDM_PLIST_NODE        96           /* a node and its data */
#define MDM_PLIST_LIST        32           /* a container has a list, too */

/* bytes of a string or of data; whole pages when large */

#define mdm_plist_chunk(n)                                                    \
    ((n) < 65536 ? ((uint64_t) (n) + 32) : ((uint64_t) (n) + 8192))


#define MDM_PLIST_HASH        0xcbf29ce484222325

/* dates from year 1 to 9999, seconds from 2001 on */

#define MDM_PLIST_DATE_MIN    -63113904000
#define MDM_PLIST_DATE_MAX    252423993599


/*
 * MDM_OK: libplist can read "in" within the limits; else MDM_DECLINED with
 * *why, or MDM_ERROR: no memory.
 */
mdm_int_t mdm_plist_binary(const mdm_str_t *in,
    const mdm_limits_t *limits, const char **why);

/*
 * Reads XML.  MDM_OK: *bin is a binary plist of the same content, to be
 * freed with free(); else as above.
 */
mdm_int_t mdm_plist_convert(const mdm_str_t *in,
    const mdm_limits_t *limits, mdm_str_t *bin, const char **why);

/* writes a code point as UTF-8, 1 to 4 bytes; returns how many */
size_t mdm_plist_utf8(u_char *dst, uint32_t c);

/* hash of a key, or of its next bytes; the first call is given HASH */
uint64_t mdm_plist_hash(uint64_t hash, const u_char *p, size_t n);

/*
 * Are the hashes of a dictionary's keys all different?  Sorts them.  Keys
 * made to have equal 64-bit hashes count as equal, which harms only those
 * who make them.  MDM_OK or MDM_DECLINED.
 */
mdm_int_t mdm_plist_unique(uint64_t *hash, size_t n);


#endif /* _MDM_PLIST_GUARD_H_INCLUDED_ */
