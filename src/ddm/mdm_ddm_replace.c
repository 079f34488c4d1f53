
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Compares places that are there with those of a report.
 */


#include <stdlib.h>

#include "mdm_ddm_replace.h"


/* shapes that a report has at a path */

#define MDM_DDM_IS_PLAIN      0x1
#define MDM_DDM_IS_ELEMENTS   0x2
#define MDM_DDM_IS_EITHER     0x4     /* as what is there */


typedef struct {
    mdm_str_t                 path;
    mdm_uint_t                shapes;
} mdm_ddm_replace_path_t;


struct mdm_ddm_replace_s {
    mdm_uint_t                full;
    mdm_uint_t                declarations;    /* it speaks of them, */
    mdm_uint_t                client;          /* and of this */
    const mdm_str_t         **places;          /* sorted */
    size_t                    nplaces;
    mdm_ddm_replace_path_t   *paths;           /* sorted, each once */
    size_t                    npaths;
};


static mdm_str_t mdm_ddm_replace_path(const mdm_str_t *place);
static mdm_uint_t mdm_ddm_replace_shape(const mdm_ddm_value_t *v);
static const mdm_ddm_replace_path_t *mdm_ddm_replace_find(
    const mdm_ddm_replace_t *r, const mdm_str_t *path);
static mdm_uint_t mdm_ddm_replace_below(const mdm_ddm_replace_t *r,
    const mdm_str_t *path);
static int mdm_ddm_replace_by_place(const void *one, const void *two);
static int mdm_ddm_replace_by_path(const void *one, const void *two);


mdm_ddm_replace_t *
mdm_ddm_replace_create(mdm_arena_t *arena, const mdm_ddm_report_t *report)
{
    size_t                   n;
    mdm_uint_t               i;
    mdm_ddm_replace_t       *r;
    const mdm_ddm_value_t   *v;
    mdm_ddm_replace_path_t  *paths;

    r = mdm_arena_zalloc(arena, sizeof(mdm_ddm_replace_t));
    if (r == NULL) {
        return NULL;
    }

    n = report->nvalues + 1;

    r->full = report->full;
    r->places = mdm_arena_alloc(arena, n * sizeof(mdm_str_t *));
    r->paths = mdm_arena_alloc(arena, n * sizeof(mdm_ddm_replace_path_t));

    if (r->places == NULL || r->paths == NULL) {
        return NULL;
    }

    paths = r->paths;
    n = 0;

    for (i = 0; i < report->nvalues; i++) {
        v = &report->values[i];

        r->places[i] = &v->place;
        r->declarations |= (mdm_ddm_replace_apart(&v->place) == 'd');
        r->client |= (mdm_ddm_replace_apart(&v->place) == 'c');

        if (v->type != MDM_DDM_REMOVE) {
            paths[n].path = mdm_ddm_replace_path(&v->place);
            paths[n++].shapes = mdm_ddm_replace_shape(v);
        }
    }

    r->nplaces = report->nvalues;

    qsort(r->places, r->nplaces, sizeof(mdm_str_t *),
          mdm_ddm_replace_by_place);
    qsort(paths, n, sizeof(mdm_ddm_replace_path_t), mdm_ddm_replace_by_path);

    for (i = 0; i < n; i++) {

        if (r->npaths != 0
            && mdm_str_eq(&paths[r->npaths - 1].path, &paths[i].path))
        {
            paths[r->npaths - 1].shapes |= paths[i].shapes;

        } else {
            paths[r->npaths++] = paths[i];
        }
    }

    return r;
}


mdm_uint_t
mdm_ddm_replace_takes(const mdm_ddm_replace_t *r, const mdm_str_t *place)
{
    u_char                        *p, *end;
    mdm_str_t                      path, above;
    const mdm_str_t               *key;
    const mdm_ddm_replace_path_t  *found;

    key = place;

    if (r->nplaces == 0
        || bsearch(&key, r->places, r->nplaces, sizeof(mdm_str_t *),
                   mdm_ddm_replace_by_place)
           == NULL)
    {
        if (r->full) {
            switch (mdm_ddm_replace_apart(place)) {

            case 'd':
                return r->declarations;

            case 'c':
                return r->client;

            default:
                return 1;
            }
        }

    } else {
        return 0;
    }

    path = mdm_ddm_replace_path(place);
    found = mdm_ddm_replace_find(r, &path);

    if (found != NULL && !(found->shapes & MDM_DDM_IS_EITHER)
        && !(found->shapes & ((path.len == place->len) ? MDM_DDM_IS_PLAIN
                                                       : MDM_DDM_IS_ELEMENTS)))
    {
        return 1;
    }

    if (mdm_ddm_replace_below(r, &path)) {
        return 1;
    }

    above = path;
    end = path.data + path.len;

    for (p = path.data;
         p != end && (p = memchr(p, '.', (size_t) (end - p))) != NULL;
         p++)
    {
        above.len = (size_t) (p - path.data);

        if (mdm_ddm_replace_find(r, &above) != NULL) {
            return 1;
        }
    }

    return 0;
}


int
mdm_ddm_replace_apart(const mdm_str_t *place)
{
    static const mdm_str_t  lists = mdm_string(MDM_DDM_DECLARATIONS ".");

    if (place->len >= lists.len
        && memcmp(place->data, lists.data, lists.len) == 0)
    {
        return 'd';
    }

    return mdm_str_is(place, MDM_DDM_CLIENT) ? 'c' : 0;
}


static mdm_str_t
mdm_ddm_replace_path(const mdm_str_t *place)
{
    u_char     *p;
    mdm_str_t   path;

    path = *place;

    p = (path.len != 0) ? memchr(path.data, MDM_DDM_ELEMENT, path.len) : NULL;

    if (p != NULL) {
        path.len = (size_t) (p - path.data);
    }

    return path;
}


static mdm_uint_t
mdm_ddm_replace_shape(const mdm_ddm_value_t *v)
{
    switch (v->type) {

    case MDM_DDM_EMPTY:
    case MDM_DDM_PLAIN:
        return MDM_DDM_IS_EITHER;

    default:
        return (mdm_ddm_replace_path(&v->place).len == v->place.len)
               ? MDM_DDM_IS_PLAIN : MDM_DDM_IS_ELEMENTS;
    }
}


static const mdm_ddm_replace_path_t *
mdm_ddm_replace_find(const mdm_ddm_replace_t *r, const mdm_str_t *path)
{
    mdm_ddm_replace_path_t  key;

    if (r->npaths == 0) {
        return NULL;
    }

    key.path = *path;
    key.shapes = 0;

    return bsearch(&key, r->paths, r->npaths, sizeof(mdm_ddm_replace_path_t),
                   mdm_ddm_replace_by_path);
}


/* does the report have something below a path? */

static mdm_uint_t
mdm_ddm_replace_below(const mdm_ddm_replace_t *r, const mdm_str_t *path)
{
    int               rc;
    size_t            low, high, mid, len;
    const mdm_str_t  *one;

    low = 0;
    high = r->npaths;

    /* the first one that is not before "path." */

    while (low != high) {
        mid = low + (high - low) / 2;
        one = &r->paths[mid].path;

        len = (one->len < path->len) ? one->len : path->len;
        rc = memcmp(one->data, path->data, len);

        if (rc == 0) {
            rc = (one->len <= path->len) ? -1 : one->data[path->len] - '.';
        }

        if (rc < 0) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    if (low == r->npaths) {
        return 0;
    }

    one = &r->paths[low].path;

    return one->len > path->len && one->data[path->len] == '.'
           && memcmp(one->data, path->data, path->len) == 0;
}


static int
mdm_ddm_replace_by_place(const void *one, const void *two)
{
    const mdm_str_t *const  *a, *const *b;

    a = one;
    b = two;

    return mdm_str_cmp(*a, *b);
}


static int
mdm_ddm_replace_by_path(const void *one, const void *two)
{
    const mdm_ddm_replace_path_t  *a, *b;

    a = one;
    b = two;

    return mdm_str_cmp(&a->path, &b->path);
}
