
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Takes a status report apart into places and their values.
 */


#include "mdm_ddm_item.h"
#include "mdm_ddm_report.h"
#include "mdm_json.h"
#include "mdm_json_write.h"
#include "mdm_number.h"


#define MDM_DDM_VALUES_MIN    64


typedef struct {
    mdm_arena_t              *arena;
    mdm_ddm_report_t         *report;
    mdm_uint_t                size;        /* room for values */
    mdm_uint_t                errors;      /* room for errors */
    const char               *why;
    u_char                    path[MDM_DDM_PATH_MAX];
} mdm_ddm_walk_t;


static mdm_int_t mdm_ddm_report_load(mdm_arena_t *arena,
    const mdm_str_t *data, const mdm_limits_t *limits,
    mdm_ddm_report_t *report, json_t **root);
static mdm_int_t mdm_ddm_report_items(mdm_ddm_walk_t *w, json_t *object,
    size_t len, mdm_uint_t known);
static mdm_int_t mdm_ddm_report_item(mdm_ddm_walk_t *w, json_t *value,
    const mdm_str_t *path, const mdm_ddm_item_t *item);
static mdm_int_t mdm_ddm_report_failed(mdm_ddm_walk_t *w, json_t *list,
    const mdm_str_t *path);
static mdm_int_t mdm_ddm_report_declarations(mdm_ddm_walk_t *w,
    json_t *object, const mdm_str_t *path);
static mdm_int_t mdm_ddm_report_array(mdm_ddm_walk_t *w, json_t *array,
    const mdm_str_t *path, const mdm_ddm_item_t *item);
static mdm_int_t mdm_ddm_report_plain(mdm_ddm_walk_t *w, json_t *array,
    const mdm_str_t *path, const mdm_ddm_item_t *item);
static mdm_int_t mdm_ddm_report_element(mdm_ddm_walk_t *w, json_t *element,
    const mdm_str_t *path);
static mdm_int_t mdm_ddm_report_errors(mdm_ddm_walk_t *w, json_t *list);
static mdm_str_t *mdm_ddm_report_error(mdm_ddm_walk_t *w);
static mdm_ddm_value_t *mdm_ddm_report_add(mdm_ddm_walk_t *w,
    mdm_ddm_value_e type, const mdm_str_t *path, const mdm_str_t *id);
static mdm_uint_t mdm_ddm_report_known(const mdm_str_t *path);
static mdm_int_t mdm_ddm_report_set(mdm_ddm_walk_t *w, const mdm_str_t *path,
    json_t *value);
static mdm_int_t mdm_ddm_report_skip(mdm_ddm_walk_t *w, size_t len,
    const char *key);
static size_t mdm_ddm_report_path(mdm_ddm_walk_t *w, size_t len,
    const char *key);
static mdm_uint_t mdm_ddm_report_names(json_t *object);
static const char *mdm_ddm_report_id(json_t *element, size_t *len);
static mdm_uint_t mdm_ddm_report_exact(json_t *value);
static mdm_int_t mdm_ddm_report_json(mdm_arena_t *arena, json_t *value,
    mdm_str_t *dst);


mdm_int_t
mdm_ddm_report_read(mdm_arena_t *arena, const mdm_str_t *data,
    const mdm_limits_t *limits, mdm_uint_t errors,
    mdm_ddm_report_t *report, const char **why)
{
    json_t              *root, *items, *list;
    mdm_int_t            rc;
    mdm_ddm_walk_t      *w;
    mdm_limits_t   most;

    memset(report, 0, sizeof(mdm_ddm_report_t));

    /* the root counts, too */

    most = *limits;
    most.nodes--;

    switch (mdm_json_scan(data, &most)) {

    case MDM_JSON_DEEP:
        *why = "too deep";
        return MDM_DECLINED;

    case MDM_JSON_MANY:
        *why = "too many values";
        return MDM_DECLINED;

    default: /* MDM_JSON_OK */
        break;
    }

    w = mdm_arena_zalloc(arena, sizeof(mdm_ddm_walk_t));
    if (w == NULL) {
        return MDM_ERROR;
    }

    *why = "not JSON";

    rc = mdm_ddm_report_load(arena, data, limits, report, &root);
    if (rc != MDM_OK) {
        return rc;
    }

    items = json_object_get(root, "StatusItems");
    list = json_object_get(root, "Errors");

    if (!json_is_object(items) && !json_is_array(list)) {
        *why = "neither StatusItems nor Errors";
        return MDM_DECLINED;
    }

    w->arena = arena;
    w->report = report;
    w->errors = errors;

    rc = json_is_array(list) ? mdm_ddm_report_errors(w, list) : MDM_OK;

    if (rc == MDM_OK && json_is_object(items)) {
        report->full = json_is_true(json_object_get(root, "FullReport"));

        rc = mdm_ddm_report_items(w, items, 0, 1);
    }

    *why = w->why;

    return rc;
}


/* one value that the parser does not take is not the end of all others */

static mdm_int_t
mdm_ddm_report_load(mdm_arena_t *arena, const mdm_str_t *data,
    const mdm_limits_t *limits, mdm_ddm_report_t *report, json_t **root)
{
    mdm_int_t     rc;
    json_error_t  error;

    rc = mdm_json_read(arena, data, JSON_ALLOW_NUL, root, &error);

    if (rc != MDM_DECLINED) {
        return rc;
    }

    if (mdm_json_mend(arena, data, limits->depth, &report->odd) != MDM_OK) {
        return MDM_ERROR;
    }

    return (report->odd.n != 0)
           ? mdm_json_read(arena, &report->odd.json, JSON_ALLOW_NUL, root,
                           &error)
           : MDM_DECLINED;
}


/* "known": the path is that of the root, or an item's begins with it */

static mdm_int_t
mdm_ddm_report_items(mdm_ddm_walk_t *w, json_t *object, size_t len,
    mdm_uint_t known)
{
    json_t                *value;
    mdm_int_t              rc;
    mdm_str_t              path;
    mdm_uint_t             inner;
    const char            *key;
    const mdm_ddm_item_t  *item;

    json_object_foreach(object, key, value) {

        path.data = w->path;
        path.len = mdm_ddm_report_path(w, len, key);

        if (path.len == 0) {
            if (mdm_ddm_report_skip(w, len, key) != MDM_OK) {
                return MDM_ERROR;
            }

            continue;
        }

        item = known ? mdm_ddm_item_find(&path) : NULL;

        if (item != NULL) {
            rc = mdm_ddm_report_item(w, value, &path, item);

        } else {
            inner = (known && mdm_ddm_item_prefix(&path));

            if (json_is_object(value)
                && (inner || mdm_ddm_report_names(value)))
            {
                rc = mdm_ddm_report_items(w, value, path.len, inner);

            } else if (inner) {

                /* it would have to take the place of items */

                rc = mdm_ddm_report_skip(w, path.len, NULL);

            } else if (json_is_array(value)) {
                rc = mdm_ddm_report_array(w, value, &path, NULL);

            } else {
                rc = mdm_ddm_report_set(w, &path, value);
            }
        }

        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_report_item(mdm_ddm_walk_t *w, json_t *value, const mdm_str_t *path,
    const mdm_ddm_item_t *item)
{
    mdm_int_t          rc;
    mdm_ddm_report_t  *report;

    if (mdm_str_is(path, MDM_DDM_DECLARATIONS)) {
        return mdm_ddm_report_declarations(w, value, path);
    }

    if (json_is_array(value)) {
        return mdm_ddm_report_array(w, value, path, item);
    }

    rc = mdm_ddm_report_set(w, path, value);

    if (rc == MDM_OK && mdm_str_is(path, MDM_DDM_CLIENT)) {
        report = w->report;
        report->client = report->values[report->nvalues - 1].json;
    }

    return rc;
}


/*
 * Each of its arrays is complete, whatever else is in the report; what is no
 * array erases none.
 */

static mdm_int_t
mdm_ddm_report_declarations(mdm_ddm_walk_t *w, json_t *object,
    const mdm_str_t *path)
{
    json_t      *list;
    mdm_int_t    rc;
    mdm_str_t    place;
    const char  *key;

    if (!json_is_object(object)) {
        return mdm_ddm_report_skip(w, path->len, NULL);
    }

    json_object_foreach(object, key, list) {

        place.data = w->path;
        place.len = mdm_ddm_report_path(w, path->len, key);

        if (place.len == 0 || !json_is_array(list)) {
            rc = mdm_ddm_report_skip(w, path->len, key);

        } else {
            rc = mdm_ddm_report_set(w, &place, list);

            if (rc == MDM_OK) {
                rc = mdm_ddm_report_failed(w, list, &place);
            }
        }

        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


/*
 * As KMFDDM has it, a declaration that is not valid is an error; the path of
 * its list and a blank come first, which no other error begins with.
 */

static mdm_int_t
mdm_ddm_report_failed(mdm_ddm_walk_t *w, json_t *list, const mdm_str_t *path)
{
    size_t       i;
    json_t      *element, *valid;
    mdm_str_t   *error, json;

    if (memchr(path->data, ' ', path->len) != NULL) {
        return MDM_OK;
    }

    json_array_foreach(list, i, element) {
        valid = json_object_get(element, "valid");

        if (!json_is_object(element)
            || (json_is_string(valid)
                && strcmp(json_string_value(valid), "valid") == 0)
            || (json_is_true(json_object_get(element, "active"))
                && json_array_size(json_object_get(element, "reasons")) == 0))
        {
            continue;
        }

        if (w->report->nerrors == w->errors) {
            break;
        }

        error = mdm_ddm_report_error(w);

        if (error == NULL
            || mdm_ddm_report_json(w->arena, element, &json) != MDM_OK
            || mdm_printf(w->arena, error, ".StatusItems.%.*s %.*s",
                          mdm_fmt(path), mdm_fmt(&json))
               != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


/*
 * Elements come and go by their identifier.  One that has none is left out:
 * it must not take the place of all others.
 */

static mdm_int_t
mdm_ddm_report_array(mdm_ddm_walk_t *w, json_t *array, const mdm_str_t *path,
    const mdm_ddm_item_t *item)
{
    json_t           *element;
    size_t            i, n, len, named;
    mdm_int_t         rc;
    mdm_str_t         none;
    mdm_ddm_value_t  *v;

    n = json_array_size(array);
    named = 0;

    json_array_foreach(array, i, element) {
        named += (mdm_ddm_report_id(element, &len) != NULL);
    }

    if (n != 0 && named == 0) {
        return mdm_ddm_report_plain(w, array, path, item);
    }

    mdm_str_set(&none, "");

    v = mdm_ddm_report_add(w, (n == 0) ? MDM_DDM_EMPTY : MDM_DDM_ARRAY, path,
                           (n == 0) ? NULL : &none);
    if (v == NULL) {
        return (w->why != NULL) ? MDM_DECLINED : MDM_ERROR;
    }

    mdm_str_set(&v->json, "[]");

    json_array_foreach(array, i, element) {
        rc = mdm_ddm_report_element(w, element, path);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


/* an array without an identifier in it */

static mdm_int_t
mdm_ddm_report_plain(mdm_ddm_walk_t *w, json_t *array, const mdm_str_t *path,
    const mdm_ddm_item_t *item)
{
    json_t           *element;
    size_t            i;
    mdm_uint_t        due;
    mdm_ddm_value_t  *v;

    due = (item != NULL && mdm_ddm_item_named(path));

    json_array_foreach(array, i, element) {
        due |= (item == NULL && json_is_object(element));
    }

    v = mdm_ddm_report_add(w, due ? MDM_DDM_PLAIN : MDM_DDM_SET, path, NULL);
    if (v == NULL) {
        return (w->why != NULL) ? MDM_DECLINED : MDM_ERROR;
    }

    return mdm_ddm_report_json(w->arena, array, &v->json);
}


static mdm_int_t
mdm_ddm_report_element(mdm_ddm_walk_t *w, json_t *element,
    const mdm_str_t *path)
{
    mdm_str_t         id;
    mdm_uint_t        removed;
    mdm_ddm_value_t  *v;

    id.data = (u_char *) mdm_ddm_report_id(element, &id.len);

    if (id.data == NULL || id.len > MDM_DDM_ID_MAX) {
        return mdm_ddm_report_skip(w, path->len, NULL);
    }

    removed = json_is_true(json_object_get(element, "_removed"));

    v = mdm_ddm_report_add(w, removed ? MDM_DDM_REMOVE : MDM_DDM_SET, path,
                           &id);
    if (v == NULL) {
        return (w->why != NULL) ? MDM_DECLINED : MDM_ERROR;
    }

    if (removed) {
        return MDM_OK;
    }

    /* it says what to do, and is no value */

    (void) json_object_del(element, "_removed");

    return mdm_ddm_report_json(w->arena, element, &v->json);
}


static mdm_int_t
mdm_ddm_report_errors(mdm_ddm_walk_t *w, json_t *list)
{
    size_t      i;
    json_t     *element;
    mdm_str_t  *error;

    json_array_foreach(list, i, element) {

        if (w->report->nerrors == w->errors) {
            break;
        }

        error = mdm_ddm_report_error(w);

        if (error == NULL
            || mdm_ddm_report_json(w->arena, element, error) != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


/* an error to fill in, where there is room; NULL: no memory */

static mdm_str_t *
mdm_ddm_report_error(mdm_ddm_walk_t *w)
{
    mdm_ddm_report_t  *report;

    report = w->report;

    if (report->errors == NULL) {
        report->errors = mdm_arena_alloc(w->arena,
                                         w->errors * sizeof(mdm_str_t));
        if (report->errors == NULL) {
            return NULL;
        }
    }

    return &report->errors[report->nerrors++];
}


/* a value to fill in; NULL: no memory, or too many, which w->why says */

static mdm_ddm_value_t *
mdm_ddm_report_add(mdm_ddm_walk_t *w, mdm_ddm_value_e type,
    const mdm_str_t *path, const mdm_str_t *id)
{
    u_char            *p;
    size_t             size;
    mdm_ddm_value_t   *v;
    mdm_ddm_report_t  *report;

    report = w->report;

    if (report->nvalues == MDM_DDM_VALUES) {
        w->why = "too many items";
        return NULL;
    }

    if (report->nvalues == w->size) {
        size = (w->size == 0) ? MDM_DDM_VALUES_MIN : 4 * w->size;

        v = mdm_arena_alloc(w->arena, size * sizeof(mdm_ddm_value_t));
        if (v == NULL) {
            return NULL;
        }

        if (w->size != 0) {
            memcpy(v, report->values, w->size * sizeof(mdm_ddm_value_t));
        }

        report->values = v;
        w->size = size;
    }

    size = path->len + ((id != NULL) ? 1 + id->len : 0);

    p = mdm_arena_alloc(w->arena, size);
    if (p == NULL) {
        return NULL;
    }

    v = &report->values[report->nvalues++];

    v->type = type;
    v->unknown = !mdm_ddm_report_known(path);
    v->place.data = p;
    v->place.len = size;
    mdm_str_set(&v->json, "");

    memcpy(p, path->data, path->len);

    if (id != NULL) {
        p += path->len;
        *p++ = MDM_DDM_ELEMENT;

        if (id->len != 0) {
            memcpy(p, id->data, id->len);
        }
    }

    return v;
}


static mdm_uint_t
mdm_ddm_report_known(const mdm_str_t *path)
{
    static const mdm_str_t  lists = mdm_string(MDM_DDM_DECLARATIONS ".");

    return mdm_ddm_item_find(path) != NULL
           || (path->len > lists.len
               && memcmp(path->data, lists.data, lists.len) == 0);
}


static mdm_int_t
mdm_ddm_report_set(mdm_ddm_walk_t *w, const mdm_str_t *path, json_t *value)
{
    mdm_ddm_value_t  *v;

    v = mdm_ddm_report_add(w, MDM_DDM_SET, path, NULL);
    if (v == NULL) {
        return (w->why != NULL) ? MDM_DECLINED : MDM_ERROR;
    }

    return mdm_ddm_report_json(w->arena, value, &v->json);
}


/*
 * A value is left out, at the path's first "len" bytes and, if it is not NULL,
 * "key".
 */

static mdm_int_t
mdm_ddm_report_skip(mdm_ddm_walk_t *w, size_t len, const char *key)
{
    mdm_ddm_report_t  *report;

    report = w->report;

    if (report->skipped++ != 0) {
        return MDM_OK;
    }

    return mdm_printf(w->arena, &report->first, "%.*s%s%s", (int) len,
                      (char *) w->path, (len != 0 && key != NULL) ? "." : "",
                      (key != NULL) ? key : "");
}


/*
 * Puts a key behind the path's first "len" bytes; the new length.  0: it is
 * too long, or no name: empty, with a control byte, or with an empty part.
 */

static size_t
mdm_ddm_report_path(mdm_ddm_walk_t *w, size_t len, const char *key)
{
    u_char  last;

    if (len != 0) {

        if (len == MDM_DDM_PATH_MAX) {
            return 0;
        }

        w->path[len++] = '.';
    }

    for (last = '.'; *key != '\0'; key++) {

        if ((u_char) *key < 0x20 || (last == '.' && *key == '.')
            || len == MDM_DDM_PATH_MAX)
        {
            return 0;
        }

        last = (u_char) *key;
        w->path[len++] = last;
    }

    return (last == '.') ? 0 : len;
}


/*
 * Are the keys of an object names, so that it can be taken apart?  One with a
 * dot or a control byte in a key is data, and kept as it is.
 */

static mdm_uint_t
mdm_ddm_report_names(json_t *object)
{
    json_t        *value;
    const char    *key;
    const u_char  *p;

    json_object_foreach(object, key, value) {

        (void) value;

        if (*key == '\0') {
            return 0;
        }

        for (p = (const u_char *) key; *p != '\0'; p++) {
            if (*p < 0x20 || *p == '.') {
                return 0;
            }
        }
    }

    return json_object_size(object) != 0;
}


/* the identifier of an array's element, or NULL */

static const char *
mdm_ddm_report_id(json_t *element, size_t *len)
{
    json_t  *id;

    id = json_object_get(element, "identifier");
    *len = json_string_length(id);

    return (*len != 0) ? json_string_value(id) : NULL;
}


/* 15 digits show a number as it was written, but do not hold every one */

static mdm_uint_t
mdm_ddm_report_exact(json_t *value)
{
    size_t       i;
    json_t      *inner;
    const char  *key;

    switch (json_typeof(value)) {

    case JSON_REAL:
        return mdm_real_digits(json_real_value(value)) == 15;

    case JSON_ARRAY:

        json_array_foreach(value, i, inner) {
            if (!mdm_ddm_report_exact(inner)) {
                return 0;
            }
        }

        return 1;

    case JSON_OBJECT:

        json_object_foreach(value, key, inner) {
            if (!mdm_ddm_report_exact(inner)) {
                return 0;
            }
        }

        return 1;

    default:
        return 1;
    }
}


static mdm_int_t
mdm_ddm_report_json(mdm_arena_t *arena, json_t *value, mdm_str_t *dst)
{
    return mdm_json_dump(arena, value, mdm_ddm_report_exact(value)
                                       ? JSON_REAL_PRECISION(15)
                                       : JSON_REAL_PRECISION(17), dst);
}
