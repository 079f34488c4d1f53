
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Compiles watchers of status values, and finds those of a value.
 */


#include <stdlib.h>

#include "mdm_ddm_watch.h"
#include "mdm_json.h"
#include "mdm_json_write.h"


/* what prefixes begin with: so many bytes, and so many of them, at most */
#define MDM_DDM_WATCH_HEAD    16
#define MDM_DDM_WATCH_HEADS   64

#define MDM_DDM_WATCH_NONE    ((uint32_t) -1)


/* the compiled string: this head, watchers, prefixes, who watches them, text */

typedef struct {
    uint32_t                  size;        /* of all of it */
    uint32_t                  nwatchers;
    uint32_t                  nprefixes;
    uint32_t                  nlinks;
    uint32_t                  heads;       /* length, at the end of the text */
} mdm_ddm_watch_head_t;


/* a watcher, as the script takes it */

typedef struct {
    uint32_t                  text;        /* offset in the text */
    uint32_t                  len;
} mdm_ddm_watch_who_t;


/* sorted; each prefix once */

typedef struct {
    uint32_t                  text;
    uint32_t                  len;
    uint32_t                  above;       /* the longest one that this one
                                              begins with */
    uint32_t                  link;        /* the first watcher, */
    uint32_t                  nlinks;      /* and how many */
} mdm_ddm_watch_prefix_t;


/* a compiled string, or what is to become one */

typedef struct {
    mdm_ddm_watch_head_t      head;
    mdm_ddm_watch_who_t      *who;
    mdm_ddm_watch_prefix_t   *prefixes;
    uint32_t                 *links;
    u_char                   *text;
} mdm_ddm_watch_t;


/* while it is compiled: a prefix of a watcher */

typedef struct {
    mdm_str_t                 prefix;
    uint32_t                  who;
} mdm_ddm_watch_pair_t;


/* which prefixes and watchers a report needs */

typedef struct {
    const mdm_ddm_watch_t    *w;
    uint32_t                 *group;       /* of each prefix, from 1 on */
    uint32_t                 *prefixes;    /* of each group */
    uint32_t                  ngroups;
    mdm_str_t                *keys;        /* of which that prefix is the
                                              longest */
    uint32_t                 *groups;      /* of each key */
    uint32_t                  nkeys;
    uint32_t                 *index;       /* of each watcher, from 1 on */
    uint32_t                  n;           /* watchers */
    mdm_uint_t                exact;       /* 1: keys are whole paths */
} mdm_ddm_watch_found_t;


static mdm_int_t mdm_ddm_watch_texts(mdm_arena_t *arena, json_t *root,
    mdm_str_t *texts, mdm_ddm_watch_pair_t *pairs, size_t *npairs);
static size_t mdm_ddm_watch_count(json_t *root);
static int mdm_ddm_watch_compare(const void *one, const void *two);
static mdm_int_t mdm_ddm_watch_build(mdm_arena_t *arena,
    const mdm_str_t *texts, size_t n, const mdm_ddm_watch_pair_t *pairs,
    size_t npairs, mdm_str_t *dst);
static mdm_int_t mdm_ddm_watch_heads(mdm_arena_t *arena,
    const mdm_ddm_watch_pair_t *pairs, size_t n, mdm_str_t *heads);
static void mdm_ddm_watch_layout(mdm_ddm_watch_t *w, u_char *p);
static uint32_t mdm_ddm_watch_above(const mdm_ddm_watch_t *w, uint32_t i,
    const mdm_str_t *text);
static void mdm_ddm_watch_take(mdm_ddm_watch_found_t *found, uint32_t i,
    const mdm_str_t *key);
static void mdm_ddm_watch_place(mdm_ddm_watch_found_t *found,
    const mdm_str_t *place);
static mdm_int_t mdm_ddm_watch_write(mdm_arena_t *arena,
    const mdm_ddm_watch_found_t *found, mdm_str_t *json);
static mdm_int_t mdm_ddm_watch_names(mdm_arena_t *arena, mdm_json_out_t *j,
    const mdm_ddm_watch_found_t *found);
static void mdm_ddm_watch_group(mdm_json_out_t *j,
    const mdm_ddm_watch_found_t *found, uint32_t group, uint32_t *seen);


mdm_int_t
mdm_ddm_watch_compile(mdm_arena_t *arena, const mdm_str_t *watchers,
    mdm_str_t *dst)
{
    json_t                *root;
    size_t                 n, npairs;
    mdm_int_t              rc;
    mdm_str_t             *texts;
    json_error_t           error;
    mdm_ddm_watch_pair_t  *pairs;

    rc = mdm_json_read(arena, watchers, 0, &root, &error);
    if (rc != MDM_OK) {
        return rc;
    }

    n = json_object_size(root);
    npairs = mdm_ddm_watch_count(root);

    texts = mdm_arena_alloc(arena, (n + 1) * sizeof(mdm_str_t));
    pairs = mdm_arena_alloc(arena,
                            (npairs + 1) * sizeof(mdm_ddm_watch_pair_t));

    if (texts == NULL || pairs == NULL
        || mdm_ddm_watch_texts(arena, root, texts, pairs, &npairs) != MDM_OK)
    {
        return MDM_ERROR;
    }

    qsort(pairs, npairs, sizeof(mdm_ddm_watch_pair_t), mdm_ddm_watch_compare);

    return mdm_ddm_watch_build(arena, texts, n, pairs, npairs, dst);
}


static size_t
mdm_ddm_watch_count(json_t *root)
{
    json_t      *watcher;
    size_t       n;
    const char  *name;

    n = 0;

    json_object_foreach(root, name, watcher) {
        (void) name;
        n += json_array_size(json_object_get(watcher, "items"));
    }

    return n;
}


/* [name, set or false] of each, and their prefixes */

static mdm_int_t
mdm_ddm_watch_texts(mdm_arena_t *arena, json_t *root, mdm_str_t *texts,
    mdm_ddm_watch_pair_t *pairs, size_t *npairs)
{
    json_t          *watcher, *set, *item;
    size_t           i, n, k;
    const char      *name;
    mdm_json_out_t   j;

    n = 0;
    k = 0;

    json_object_foreach(root, name, watcher) {

        set = json_object_get(watcher, "set");

        mdm_json_init(&j, arena, 128);
        mdm_json_open(&j, NULL, '[');
        mdm_json_text(&j, NULL, name);

        if (json_is_string(set)) {
            mdm_json_text(&j, NULL, json_string_value(set));

        } else {
            mdm_json_bool(&j, NULL, 0);
        }

        mdm_json_close(&j, ']');

        if (mdm_json_end(&j, &texts[n]) != MDM_OK) {
            return MDM_ERROR;
        }

        json_array_foreach(json_object_get(watcher, "items"), i, item) {

            if (json_is_string(item)) {
                pairs[k].prefix.data = (u_char *) (uintptr_t)
                                       json_string_value(item);
                pairs[k].prefix.len = json_string_length(item);
                pairs[k++].who = (uint32_t) n;
            }
        }

        n++;
    }

    *npairs = k;

    return MDM_OK;
}


static int
mdm_ddm_watch_compare(const void *one, const void *two)
{
    int                          rc;
    const mdm_ddm_watch_pair_t  *a, *b;

    a = one;
    b = two;

    rc = mdm_str_cmp(&a->prefix, &b->prefix);

    return (rc != 0) ? rc : (a->who > b->who) - (a->who < b->who);
}


static mdm_int_t
mdm_ddm_watch_build(mdm_arena_t *arena, const mdm_str_t *texts, size_t n,
    const mdm_ddm_watch_pair_t *pairs, size_t npairs, mdm_str_t *dst)
{
    u_char                  *p;
    size_t                   i, size, text;
    uint32_t                 at, k;
    mdm_str_t                heads;
    mdm_ddm_watch_t          w;
    mdm_ddm_watch_prefix_t  *prefix;

    if (mdm_ddm_watch_heads(arena, pairs, npairs, &heads) != MDM_OK) {
        return MDM_ERROR;
    }

    memset(&w, 0, sizeof(mdm_ddm_watch_t));

    text = heads.len;

    for (i = 0; i < n; i++) {
        text += texts[i].len;
    }

    for (i = 0; i < npairs; i++) {
        if (i == 0 || !mdm_str_eq(&pairs[i].prefix, &pairs[i - 1].prefix)) {
            text += pairs[i].prefix.len;
            w.head.nprefixes++;
        }
    }

    w.head.nwatchers = (uint32_t) n;
    w.head.nlinks = (uint32_t) npairs;
    w.head.heads = (uint32_t) heads.len;

    size = sizeof(mdm_ddm_watch_head_t)
           + n * sizeof(mdm_ddm_watch_who_t)
           + w.head.nprefixes * sizeof(mdm_ddm_watch_prefix_t)
           + npairs * sizeof(uint32_t) + text;

    if (size > UINT32_MAX) {
        return MDM_DECLINED;
    }

    w.head.size = (uint32_t) size;

    p = mdm_arena_alloc(arena, size);
    if (p == NULL) {
        return MDM_ERROR;
    }

    dst->data = p;
    dst->len = size;

    memcpy(p, &w.head, sizeof(mdm_ddm_watch_head_t));
    mdm_ddm_watch_layout(&w, p);

    at = 0;

    for (i = 0; i < n; i++) {
        w.who[i].text = at;
        w.who[i].len = (uint32_t) texts[i].len;

        memcpy(w.text + at, texts[i].data, texts[i].len);
        at += (uint32_t) texts[i].len;
    }

    prefix = NULL;
    k = 0;

    for (i = 0; i < npairs; i++) {
        w.links[i] = pairs[i].who;

        if (i == 0 || !mdm_str_eq(&pairs[i].prefix, &pairs[i - 1].prefix)) {
            prefix = &w.prefixes[k];

            prefix->text = at;
            prefix->len = (uint32_t) pairs[i].prefix.len;
            prefix->link = (uint32_t) i;
            prefix->nlinks = 0;

            if (prefix->len != 0) {
                memcpy(w.text + at, pairs[i].prefix.data, prefix->len);
            }

            at += prefix->len;
            prefix->above = (k == 0) ? MDM_DDM_WATCH_NONE
                            : mdm_ddm_watch_above(&w, k - 1,
                                                  &pairs[i].prefix);
            k++;
        }

        prefix->nlinks++;
    }

    if (heads.len != 0) {
        memcpy(w.text + at, heads.data, heads.len);
    }

    return MDM_OK;
}


/* as long ones as there is room for: they say the most */

static mdm_int_t
mdm_ddm_watch_heads(mdm_arena_t *arena, const mdm_ddm_watch_pair_t *pairs,
    size_t n, mdm_str_t *heads)
{
    u_char     *p;
    size_t      i, len, count;
    mdm_str_t   list[MDM_DDM_WATCH_HEADS], s;

    count = 0;

    for (len = MDM_DDM_WATCH_HEAD; len != 0; len--) {

        count = 0;

        for (i = 0; i < n && count <= MDM_DDM_WATCH_HEADS; i++) {
            s = pairs[i].prefix;
            s.len = (s.len < len) ? s.len : len;

            if (count != 0 && mdm_str_eq(&s, &list[count - 1])) {
                continue;
            }

            if (count != MDM_DDM_WATCH_HEADS) {
                list[count] = s;
            }

            count++;
        }

        if (count <= MDM_DDM_WATCH_HEADS) {
            break;
        }
    }

    /* all bytes that there are: then each value may be one of them */

    if (len == 0) {
        count = 0;
    }

    heads->len = 0;

    heads->data = mdm_arena_alloc(arena, MDM_DDM_WATCH_HEADS
                                         * (MDM_DDM_WATCH_HEAD + 1) + 1);
    if (heads->data == NULL) {
        return MDM_ERROR;
    }

    p = heads->data;

    if (len == 0) {
        *p++ = '*';
    }

    for (i = 0; i < count; i++) {

        if (list[i].len != 0) {
            memcpy(p, list[i].data, list[i].len);
            p += list[i].len;

        } else {

            /* a prefix of nothing */

            *p++ = '*';
        }

        *p++ = '\n';
    }

    heads->len = (size_t) (p - heads->data);

    return MDM_OK;
}


/* where its parts are; the head is set */

static void
mdm_ddm_watch_layout(mdm_ddm_watch_t *w, u_char *p)
{
    p += sizeof(mdm_ddm_watch_head_t);

    w->who = (mdm_ddm_watch_who_t *) p;
    p += w->head.nwatchers * sizeof(mdm_ddm_watch_who_t);

    w->prefixes = (mdm_ddm_watch_prefix_t *) p;
    p += w->head.nprefixes * sizeof(mdm_ddm_watch_prefix_t);

    w->links = (uint32_t *) p;
    p += w->head.nlinks * sizeof(uint32_t);

    w->text = p;
}


/* the longest of the prefix i and those above it that the text begins with */

static uint32_t
mdm_ddm_watch_above(const mdm_ddm_watch_t *w, uint32_t i,
    const mdm_str_t *text)
{
    const mdm_ddm_watch_prefix_t  *prefix;

    while (i != MDM_DDM_WATCH_NONE) {
        prefix = &w->prefixes[i];

        if (prefix->len <= text->len
            && (prefix->len == 0
                || memcmp(w->text + prefix->text, text->data, prefix->len)
                   == 0))
        {
            break;
        }

        i = prefix->above;
    }

    return i;
}


mdm_int_t
mdm_ddm_watch_find(mdm_arena_t *arena, const mdm_str_t *compiled,
    const mdm_ddm_value_t *values, mdm_uint_t n, mdm_str_t *json,
    mdm_str_t *heads)
{
    u_char                 *p;
    uint32_t                i;
    mdm_str_t               key;
    mdm_ddm_watch_t         w;
    mdm_ddm_watch_found_t   found;

    if (compiled->len < sizeof(mdm_ddm_watch_head_t)) {
        return MDM_DECLINED;
    }

    memcpy(&w.head, compiled->data, sizeof(mdm_ddm_watch_head_t));

    if (w.head.size != compiled->len) {
        return MDM_DECLINED;
    }

    /* aligned */

    p = compiled->data;

    if ((uintptr_t) p % sizeof(uint32_t) != 0) {
        p = mdm_arena_alloc(arena, compiled->len);
        if (p == NULL) {
            return MDM_ERROR;
        }

        memcpy(p, compiled->data, compiled->len);
    }

    mdm_ddm_watch_layout(&w, p);

    memset(&found, 0, sizeof(mdm_ddm_watch_found_t));

    found.w = &w;
    found.exact = (w.head.size > MDM_DDM_WATCH_SMALL);

    i = found.exact ? (uint32_t) n : w.head.nprefixes;

    found.group = mdm_arena_zalloc(arena, (w.head.nprefixes + 1)
                                          * sizeof(uint32_t));
    found.prefixes = mdm_arena_alloc(arena, (w.head.nprefixes + 1)
                                            * sizeof(uint32_t));
    found.index = mdm_arena_zalloc(arena, (w.head.nwatchers + 1)
                                          * sizeof(uint32_t));
    found.keys = mdm_arena_alloc(arena, (i + 1) * sizeof(mdm_str_t));
    found.groups = mdm_arena_alloc(arena, (i + 1) * sizeof(uint32_t));

    if (found.group == NULL || found.prefixes == NULL || found.index == NULL
        || found.keys == NULL || found.groups == NULL)
    {
        return MDM_ERROR;
    }

    mdm_str_set(heads, "");

    if (!found.exact) {

        for (i = 0; i < w.head.nprefixes; i++) {
            key.data = w.text + w.prefixes[i].text;
            key.len = w.prefixes[i].len;

            mdm_ddm_watch_take(&found, i, &key);
        }

        return mdm_ddm_watch_write(arena, &found, json);
    }

    for (i = 0; i < n; i++) {
        mdm_ddm_watch_place(&found, &values[i].place);
    }

    heads->data = mdm_arena_alloc(arena, w.head.heads + 1);
    if (heads->data == NULL) {
        return MDM_ERROR;
    }

    heads->len = w.head.heads;

    if (heads->len != 0) {
        memcpy(heads->data, p + w.head.size - w.head.heads, heads->len);
    }

    return mdm_ddm_watch_write(arena, &found, json);
}


/* whoever watches a prefix, or one that it begins with, watches the key */

static void
mdm_ddm_watch_take(mdm_ddm_watch_found_t *found, uint32_t i,
    const mdm_str_t *key)
{
    uint32_t                       k, who, at;
    const mdm_ddm_watch_prefix_t  *prefix;

    if (found->group[i] == 0) {
        found->prefixes[found->ngroups] = i;
        found->group[i] = ++found->ngroups;

        for (at = i; at != MDM_DDM_WATCH_NONE; at = prefix->above) {
            prefix = &found->w->prefixes[at];

            for (k = 0; k < prefix->nlinks; k++) {
                who = found->w->links[prefix->link + k];

                if (found->index[who] == 0) {
                    found->index[who] = ++found->n;
                }
            }
        }
    }

    /* the elements of an array have one path */

    if (found->nkeys != 0
        && mdm_str_eq(&found->keys[found->nkeys - 1], key))
    {
        return;
    }

    found->keys[found->nkeys] = *key;
    found->groups[found->nkeys++] = found->group[i];
}


/* The last prefix up to the path, or one above it, is the longest that fits. */

static void
mdm_ddm_watch_place(mdm_ddm_watch_found_t *found, const mdm_str_t *place)
{
    u_char                        *p;
    uint32_t                       low, high, mid;
    mdm_str_t                      path, one;
    const mdm_ddm_watch_prefix_t  *prefixes;

    path = *place;

    p = (path.len != 0) ? memchr(path.data, MDM_DDM_ELEMENT, path.len) : NULL;

    if (p != NULL) {
        path.len = (size_t) (p - path.data);
    }

    prefixes = found->w->prefixes;
    low = 0;
    high = found->w->head.nprefixes;

    while (low != high) {
        mid = low + (high - low) / 2;

        one.data = found->w->text + prefixes[mid].text;
        one.len = prefixes[mid].len;

        if (mdm_str_cmp(&one, &path) <= 0) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    mid = (low == 0) ? MDM_DDM_WATCH_NONE
                     : mdm_ddm_watch_above(found->w, low - 1, &path);

    if (mid != MDM_DDM_WATCH_NONE) {
        mdm_ddm_watch_take(found, mid, &path);
    }
}


static mdm_int_t
mdm_ddm_watch_write(mdm_arena_t *arena, const mdm_ddm_watch_found_t *found,
    mdm_str_t *json)
{
    uint32_t         i, *seen;
    mdm_json_out_t   j;

    mdm_str_set(json, "");

    if (found->n == 0) {
        return MDM_OK;
    }

    seen = mdm_arena_zalloc(arena, (found->w->head.nwatchers + 1)
                                   * sizeof(uint32_t));
    if (seen == NULL) {
        return MDM_ERROR;
    }

    mdm_json_init(&j, arena, 512);
    mdm_json_open(&j, NULL, '{');

    if (mdm_ddm_watch_names(arena, &j, found) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_json_open(&j, "g", '[');

    for (i = 0; i < found->ngroups; i++) {
        mdm_ddm_watch_group(&j, found, i, seen);
    }

    mdm_json_close(&j, ']');
    mdm_json_int(&j, "x", (int64_t) found->exact);
    mdm_json_open(&j, "p", '{');

    for (i = 0; i < found->nkeys; i++) {
        mdm_json_key(&j, &found->keys[i]);
        mdm_json_int(&j, NULL, found->groups[i]);
    }

    mdm_json_close(&j, '}');
    mdm_json_close(&j, '}');

    return mdm_json_end(&j, json);
}


static mdm_int_t
mdm_ddm_watch_names(mdm_arena_t *arena, mdm_json_out_t *j,
    const mdm_ddm_watch_found_t *found)
{
    uint32_t                i, *order;
    mdm_str_t               s;
    const mdm_ddm_watch_t  *w;

    w = found->w;

    order = mdm_arena_alloc(arena, (found->n + 1) * sizeof(uint32_t));
    if (order == NULL) {
        return MDM_ERROR;
    }

    for (i = 0; i < w->head.nwatchers; i++) {
        if (found->index[i] != 0) {
            order[found->index[i] - 1] = i;
        }
    }

    mdm_json_open(j, "w", '[');

    for (i = 0; i < found->n; i++) {
        s.data = w->text + w->who[order[i]].text;
        s.len = w->who[order[i]].len;

        mdm_json_value(j, NULL, &s);
    }

    mdm_json_close(j, ']');

    return MDM_OK;
}


/* "seen" has for each watcher the last group that it was written for */

static void
mdm_ddm_watch_group(mdm_json_out_t *j, const mdm_ddm_watch_found_t *found,
    uint32_t group, uint32_t *seen)
{
    uint32_t                       k, at, who;
    const mdm_ddm_watch_prefix_t  *prefix;

    mdm_json_open(j, NULL, '[');

    for (at = found->prefixes[group];
         at != MDM_DDM_WATCH_NONE;
         at = prefix->above)
    {
        prefix = &found->w->prefixes[at];

        for (k = 0; k < prefix->nlinks; k++) {
            who = found->w->links[prefix->link + k];

            if (seen[who] != group + 1) {
                seen[who] = group + 1;
                mdm_json_int(j, NULL, found->index[who]);
            }
        }
    }

    mdm_json_close(j, ']');
}
