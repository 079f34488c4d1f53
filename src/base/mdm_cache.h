
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A bounded cache of byte strings by byte strings: the entry that was not used
 * for the longest time goes first.  Its memory is malloc'd, so that it outlives
 * exchanges.  It belongs to one worker and is not thread-safe.
 */


#ifndef _MDM_CACHE_H_INCLUDED_
#define _MDM_CACHE_H_INCLUDED_


#include "mdm_base.h"


typedef struct mdm_cache_s  mdm_cache_t;


/*
 * holds "size" bytes at most, the overhead of entries included; NULL: no memory
 */
mdm_cache_t *mdm_cache_create(size_t size);

/* frees all; NULL is allowed */
void mdm_cache_destroy(mdm_cache_t *cache);

/*
 * MDM_OK: *value points into the cache, and is valid until the next
 * mdm_cache_put(); MDM_DECLINED: there is none.
 */
mdm_int_t mdm_cache_get(mdm_cache_t *cache, const mdm_str_t *key,
    mdm_str_t *value);

/*
 * Keeps a copy of "value" instead of what the key had.  MDM_OK; MDM_DECLINED:
 * it is too large (over an eighth of the cache), or there is no memory: then
 * the key has no value.
 */
mdm_int_t mdm_cache_put(mdm_cache_t *cache, const mdm_str_t *key,
    const mdm_str_t *value);

/* bytes in use */
size_t mdm_cache_used(const mdm_cache_t *cache);


#endif /* _MDM_CACHE_H_INCLUDED_ */
