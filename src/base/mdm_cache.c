
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A bounded cache: the entry that was not used for the longest time goes first.
 */


#include <stdlib.h>

#include "mdm_cache.h"
#include "mdm_hash.h"


#define MDM_CACHE_BUCKETS_MIN  16
#define MDM_CACHE_BUCKETS_MAX  65536
#define MDM_CACHE_ENTRY        1024   /* bytes of an entry, roughly: it decides
                                         how many buckets there are */


typedef struct mdm_cache_entry_s  mdm_cache_entry_t;

struct mdm_cache_entry_s {
    mdm_cache_entry_t        *next;        /* in its bucket */
    mdm_cache_entry_t        *newer;       /* in the order of use */
    mdm_cache_entry_t        *older;
    size_t                    size;        /* of all of it, bytes */
    uint32_t                  hash;
    mdm_str_t                 key;         /* both behind this struct */
    mdm_str_t                 value;
};


struct mdm_cache_s {
    mdm_cache_entry_t       **buckets;
    mdm_hash_key_t            key;
    size_t                    mask;
    size_t                    size;
    size_t                    used;
    mdm_cache_entry_t        *newest;
    mdm_cache_entry_t        *oldest;
};


static uint32_t mdm_cache_hash(const mdm_cache_t *cache,
    const mdm_str_t *key);
static mdm_cache_entry_t *mdm_cache_find(mdm_cache_t *cache,
    const mdm_str_t *key, uint32_t hash);
static void mdm_cache_link(mdm_cache_t *cache, mdm_cache_entry_t *entry);
static void mdm_cache_unlink(mdm_cache_t *cache, mdm_cache_entry_t *entry);
static void mdm_cache_drop(mdm_cache_t *cache, mdm_cache_entry_t *entry);


mdm_cache_t *
mdm_cache_create(size_t size)
{
    size_t        n;
    mdm_cache_t  *cache;

    n = MDM_CACHE_BUCKETS_MIN;

    while (n < MDM_CACHE_BUCKETS_MAX && n < size / MDM_CACHE_ENTRY) {
        n *= 2;
    }

    cache = calloc(1, sizeof(mdm_cache_t));
    if (cache == NULL) {
        return NULL;
    }

    cache->buckets = calloc(n, sizeof(mdm_cache_entry_t *));

    if (cache->buckets == NULL || mdm_hash_key(&cache->key) != MDM_OK) {
        free(cache->buckets);
        free(cache);
        return NULL;
    }

    cache->mask = n - 1;
    cache->size = size;

    return cache;
}


void
mdm_cache_destroy(mdm_cache_t *cache)
{
    mdm_cache_entry_t  *entry, *newer;

    if (cache == NULL) {
        return;
    }

    for (entry = cache->oldest; entry != NULL; entry = newer) {
        newer = entry->newer;
        free(entry);
    }

    free(cache->buckets);
    free(cache);
}


mdm_int_t
mdm_cache_get(mdm_cache_t *cache, const mdm_str_t *key, mdm_str_t *value)
{
    mdm_cache_entry_t  *entry;

    entry = mdm_cache_find(cache, key, mdm_cache_hash(cache, key));
    if (entry == NULL) {
        return MDM_DECLINED;
    }

    mdm_cache_unlink(cache, entry);
    mdm_cache_link(cache, entry);

    *value = entry->value;

    return MDM_OK;
}


mdm_int_t
mdm_cache_put(mdm_cache_t *cache, const mdm_str_t *key,
    const mdm_str_t *value)
{
    size_t               size;
    uint32_t             hash;
    mdm_cache_entry_t   *entry, *newer, **bucket;

    hash = mdm_cache_hash(cache, key);

    entry = mdm_cache_find(cache, key, hash);
    if (entry != NULL) {
        mdm_cache_drop(cache, entry);
    }

    size = sizeof(mdm_cache_entry_t) + key->len + value->len;

    if (size > cache->size / 8) {
        return MDM_DECLINED;
    }

    for (entry = cache->oldest;
         entry != NULL && cache->used + size > cache->size;
         entry = newer)
    {
        newer = entry->newer;
        mdm_cache_drop(cache, entry);
    }

    entry = malloc(size);
    if (entry == NULL) {
        return MDM_DECLINED;
    }

    entry->size = size;
    entry->hash = hash;

    entry->key.data = (u_char *) &entry[1];
    entry->key.len = key->len;

    entry->value.data = entry->key.data + key->len;
    entry->value.len = value->len;

    if (key->len != 0) {
        memcpy(entry->key.data, key->data, key->len);
    }

    if (value->len != 0) {
        memcpy(entry->value.data, value->data, value->len);
    }

    bucket = &cache->buckets[hash & cache->mask];

    entry->next = *bucket;
    *bucket = entry;

    mdm_cache_link(cache, entry);
    cache->used += size;

    return MDM_OK;
}


size_t
mdm_cache_used(const mdm_cache_t *cache)
{
    return cache->used;
}


/* keyed, as keys come from outside: nobody may choose a bucket for them */

static uint32_t
mdm_cache_hash(const mdm_cache_t *cache, const mdm_str_t *key)
{
    return (uint32_t) mdm_hash(&cache->key, key);
}


static mdm_cache_entry_t *
mdm_cache_find(mdm_cache_t *cache, const mdm_str_t *key, uint32_t hash)
{
    mdm_cache_entry_t  *entry;

    for (entry = cache->buckets[hash & cache->mask];
         entry != NULL;
         entry = entry->next)
    {
        if (entry->hash == hash && mdm_str_eq(&entry->key, key)) {
            return entry;
        }
    }

    return NULL;
}


static void
mdm_cache_link(mdm_cache_t *cache, mdm_cache_entry_t *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;

    if (cache->newest != NULL) {
        cache->newest->newer = entry;

    } else {
        cache->oldest = entry;
    }

    cache->newest = entry;
}


static void
mdm_cache_unlink(mdm_cache_t *cache, mdm_cache_entry_t *entry)
{
    if (entry->newer != NULL) {
        entry->newer->older = entry->older;

    } else {
        cache->newest = entry->older;
    }

    if (entry->older != NULL) {
        entry->older->newer = entry->newer;

    } else {
        cache->oldest = entry->newer;
    }
}


static void
mdm_cache_drop(mdm_cache_t *cache, mdm_cache_entry_t *entry)
{
    mdm_cache_entry_t  **p;

    p = &cache->buckets[entry->hash & cache->mask];

    while (*p != entry) {
        p = &(*p)->next;
    }

    *p = entry->next;

    mdm_cache_unlink(cache, entry);
    cache->used -= entry->size;

    free(entry);
}
