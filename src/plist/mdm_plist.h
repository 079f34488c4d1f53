
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The guarded plist reader.  libplist 2.2 is not safe on hostile input by
 * itself: nested arrays overflow the stack, shared references of a binary
 * plist expand without bound, and its XML parser takes seconds for repeated
 * keys or many entities.  So a binary plist is checked in linear time before
 * libplist sees it, and XML is turned into a small binary plist by our own
 * linear reader: libplist's XML parser is never run.  Any input costs at most
 * 50 ms of CPU and 16 times its size (and MDM_PLIST_SPARE) in memory.
 *
 * What is refused besides broken input: depth, nodes and expanded size over
 * the limits; a key twice in one dictionary; an internal DTD subset; XML in
 * another encoding than UTF-8; NUL or malformed UTF-8 in a string; text that
 * is no number, date or base64 where one is due; a root that is no
 * dictionary; anything behind it.
 */


#ifndef _MDM_PLIST_H_INCLUDED_
#define _MDM_PLIST_H_INCLUDED_


#include <plist/plist.h>

#include "mdm_base.h"


#define MDM_PLIST_DEPTH       32
#define MDM_PLIST_NODES       100000

#define MDM_PLIST_DEPTH_MAX   512          /* libplist takes stack for each
                                              level */
#define MDM_PLIST_SPARE       (1024 * 1024)


/*
 * Reads an XML or binary plist whose root must be a dictionary.
 * MDM_OK: *root is freed with the arena.  MDM_DECLINED: *why is a constant
 * text that says what is wrong.  MDM_ERROR: no memory.
 *
 * An array read so has no lookup table: walk it with plist_array_new_iter(),
 * for plist_array_get_item() in a loop is quadratic.
 */
mdm_int_t mdm_plist_parse(mdm_arena_t *arena, const mdm_str_t *in,
    const mdm_limits_t *limits, plist_t *root, const char **why);

/* only checks, and builds no plist; the same results */
mdm_int_t mdm_plist_check(const mdm_str_t *in,
    const mdm_limits_t *limits, const char **why);


/*
 * Members of a dictionary.  MDM_OK; MDM_DECLINED: there is no such key
 * (*value is untouched); MDM_ERROR: it is of another type.  Strings and data
 * point into the plist: no copy, valid as long as it.
 */

mdm_int_t mdm_plist_string(plist_t dict, const char *key, mdm_str_t *value);
mdm_int_t mdm_plist_data(plist_t dict, const char *key, mdm_str_t *value);
mdm_int_t mdm_plist_bool(plist_t dict, const char *key, mdm_uint_t *value);

/* the plist as XML; MDM_OK or MDM_ERROR; *out is owned by the arena */
mdm_int_t mdm_plist_xml(mdm_arena_t *arena, plist_t root, mdm_str_t *out);


#endif /* _MDM_PLIST_H_INCLUDED_ */
