
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads and checks what a query for enrollments asks for: its body, or the
 * arguments of GET.
 */


#include "mdm_api_query.h"


static mdm_int_t mdm_api_query_object(mdm_exchange_t *x, json_t *object,
    const char *path, const char **known);
static mdm_int_t mdm_api_query_size(mdm_exchange_t *x, json_t *list,
    const char *name, mdm_uint_t *n);
static mdm_int_t mdm_api_query_list(mdm_exchange_t *x, mdm_api_query_t *q,
    json_t *list, const char *name);
static mdm_int_t mdm_api_query_id_list(mdm_exchange_t *x, mdm_api_query_t *q,
    json_t *list);
static mdm_int_t mdm_api_query_filter(mdm_exchange_t *x, mdm_api_query_t *q,
    json_t *filter);
static mdm_int_t mdm_api_query_serials(mdm_exchange_t *x, mdm_api_query_t *q,
    json_t *list);
static mdm_int_t mdm_api_query_serial_args(mdm_exchange_t *x,
    mdm_api_query_t *q);
static mdm_int_t mdm_api_query_no_serial(mdm_exchange_t *x);
static mdm_int_t mdm_api_query_bool(mdm_exchange_t *x, json_t *object,
    const char *path, const char *key, mdm_int_t *value);
static mdm_int_t mdm_api_query_flag(mdm_exchange_t *x, json_t *filter,
    const char *key, mdm_str_t *flag);
static mdm_int_t mdm_api_query_assigned(mdm_exchange_t *x, mdm_api_query_t *q,
    mdm_str_t *name, mdm_uint_t i);


/* in the order in which the script takes them */

#define MDM_API_QUERY_SERIALS 1
#define MDM_API_QUERY_SETS    5            /* and tags behind them */

static const char  *mdm_api_query_lists[MDM_API_QUERY_LISTS] = {
    "types", "serials", "user_short_names", "os_versions", "models", "sets",
    "tags"
};

/* sets, and tags, that a script looks for in each assignment */
#define MDM_API_QUERY_NAMES   32


static const char  *mdm_api_query_keys[] = { "filter", "options", NULL };

static const char  *mdm_api_query_filter_keys[] = {
    "ids", "serials", "user_short_names", "types", "enabled", "os_versions",
    "models", "supervised", "push_dead", "sets", "tags", NULL
};

static const char  *mdm_api_query_option_keys[] = {
    "include_device_cert", "include_unlock_token", NULL
};


mdm_int_t
mdm_api_query_read(mdm_exchange_t *x, mdm_api_query_t *q)
{
    json_t     *root, *options;
    mdm_int_t   rc, cert, unlock;

    root = NULL;

    if (x->body.len != 0) {

        /* its strings are used until the exchange ends */

        rc = mdm_api_body(x, "a JSON object", &root);
        if (rc != MDM_OK) {
            return rc;
        }

        rc = mdm_api_query_object(x, root, "", mdm_api_query_keys);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    rc = mdm_api_query_filter(x, q, json_object_get(root, "filter"));
    if (rc != MDM_OK) {
        return rc;
    }

    options = json_object_get(root, "options");

    cert = 0;
    unlock = 0;

    rc = mdm_api_query_object(x, options, "options.",
                              mdm_api_query_option_keys);

    if (rc == MDM_OK) {
        rc = mdm_api_query_bool(x, options, "options", "include_device_cert",
                                &cert);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_query_bool(x, options, "options",
                                "include_unlock_token", &unlock);
    }

    q->include_cert = (cert == 1);
    q->include_unlock = (unlock == 1);

    return rc;
}


/*
 * An unknown key is refused: a filter that is not understood would answer
 * with enrollments that were not asked for.
 */

static mdm_int_t
mdm_api_query_object(mdm_exchange_t *x, json_t *object, const char *path,
    const char **known)
{
    json_t       *value;
    mdm_uint_t    i;
    const char   *key;

    if (object == NULL || json_is_null(object)) {
        return MDM_OK;
    }

    if (!json_is_object(object)) {
        return mdm_exchange_refuse(x, 400, "%.*s: an object expected",
                                   (*path == '\0') ? 8
                                                   : (int) strlen(path) - 1,
                                   (*path == '\0') ? "the body" : path);
    }

    json_object_foreach(object, key, value) {

        for (i = 0; known[i] != NULL; i++) {
            if (strcmp(key, known[i]) == 0) {
                break;
            }
        }

        if (known[i] == NULL) {
            return mdm_exchange_refuse(x, 400, "%s%.64s: unknown key", path,
                                       key);
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_query_filter(mdm_exchange_t *x, mdm_api_query_t *q, json_t *filter)
{
    json_t      *list[MDM_API_QUERY_LISTS];
    mdm_int_t    rc;
    mdm_uint_t   i, n;

    rc = mdm_api_query_object(x, filter, "filter.",
                              mdm_api_query_filter_keys);
    if (rc != MDM_OK) {
        return rc;
    }

    rc = mdm_api_query_flag(x, filter, "enabled", &q->enabled);

    if (rc == MDM_OK) {
        rc = mdm_api_query_flag(x, filter, "supervised", &q->supervised);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_query_flag(x, filter, "push_dead", &q->push_dead);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    rc = mdm_api_query_id_list(x, q, json_object_get(filter, "ids"));
    if (rc != MDM_OK) {
        return rc;
    }

    n = MDM_API_QUERY_LISTS;

    for (i = 0; i < MDM_API_QUERY_LISTS; i++) {
        list[i] = json_object_get(filter, mdm_api_query_lists[i]);

        rc = mdm_api_query_size(x, list[i], mdm_api_query_lists[i], &n);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    q->filter = mdm_arena_alloc(x->arena, n * sizeof(mdm_str_t));
    if (q->filter == NULL) {
        return MDM_ERROR;
    }

    rc = mdm_api_query_serials(x, q, list[MDM_API_QUERY_SERIALS]);
    if (rc != MDM_OK) {
        return rc;
    }

    if (q->nserials != 0) {
        list[MDM_API_QUERY_SERIALS] = NULL;
    }

    for (i = 0; i < MDM_API_QUERY_LISTS; i++) {
        rc = mdm_api_query_list(x, q, list[i], mdm_api_query_lists[i]);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


/* as the script takes it: empty, if it is not there */

static mdm_int_t
mdm_api_query_flag(mdm_exchange_t *x, json_t *filter, const char *key,
    mdm_str_t *flag)
{
    mdm_int_t  rc, value;

    value = -1;

    rc = mdm_api_query_bool(x, filter, "filter", key, &value);

    if (rc == MDM_OK && value != -1) {
        *flag = mdm_api_flag((mdm_uint_t) value);
    }

    return rc;
}


/* adds the size of a list */

static mdm_int_t
mdm_api_query_size(mdm_exchange_t *x, json_t *list, const char *name,
    mdm_uint_t *n)
{
    size_t  i, size, most;

    if (list == NULL || json_is_null(list)) {
        return MDM_OK;
    }

    if (!json_is_array(list)) {
        return mdm_exchange_refuse(x, 400, "filter.%s: an array expected",
                                   name);
    }

    size = json_array_size(list);

    most = (name == mdm_api_query_lists[MDM_API_QUERY_SETS]
            || name == mdm_api_query_lists[MDM_API_QUERY_SETS + 1])
           ? MDM_API_QUERY_NAMES : x->settings->api_ids;

    if (size > most) {
        return mdm_exchange_refuse(x, 400, "filter.%s: at most %lu are "
                                   "allowed", name, (unsigned long) most);
    }

    for (i = 0; i < size; i++) {
        if (!json_is_string(json_array_get(list, i))) {
            return mdm_exchange_refuse(x, 400, "filter.%s[%lu]: a string "
                                       "expected", name, (unsigned long) i);
        }
    }

    *n += size;

    return MDM_OK;
}


static mdm_int_t
mdm_api_query_list(mdm_exchange_t *x, mdm_api_query_t *q, json_t *list,
    const char *name)
{
    json_t      *item;
    size_t       i, size;
    mdm_str_t   *p, type;
    mdm_uint_t   k;

    size = json_array_size(list);

    p = &q->filter[q->nfilter];
    q->nfilter += size + 1;

    if (mdm_api_number(x, p++, (int64_t) size) != MDM_OK) {
        return MDM_ERROR;
    }

    for (i = 0; i < size; i++) {
        item = json_array_get(list, i);

        p->data = (u_char *) json_string_value(item);
        p->len = json_string_length(item);

        if (name == mdm_api_query_lists[0]) {

            for (k = MDM_TYPE_DEVICE; k <= MDM_TYPE_USER_ENROLLMENT; k++) {
                type = mdm_type_name((mdm_type_e) k);

                if (mdm_str_eq(&type, p)) {
                    break;
                }
            }

            if (k > MDM_TYPE_USER_ENROLLMENT) {
                return mdm_exchange_refuse(x, 400, "filter.types[%lu]: "
                                           "unknown type",
                                           (unsigned long) i);
            }
        }

        for (k = MDM_API_QUERY_SETS; k < MDM_API_QUERY_LISTS; k++) {

            if (name == mdm_api_query_lists[k]
                && mdm_api_query_assigned(x, q, p, k) != MDM_OK)
            {
                return MDM_ERROR;
            }
        }

        p++;
    }

    return MDM_OK;
}


/* the field that an assignment has of the set or tag */

static mdm_int_t
mdm_api_query_assigned(mdm_exchange_t *x, mdm_api_query_t *q, mdm_str_t *name,
    mdm_uint_t i)
{
    mdm_str_t  key;

    q->assigned = 1;

    if (mdm_key_id(x->arena, &key, name) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_printf(x->arena, name, "%c:%.*s",
                      (i == MDM_API_QUERY_SETS) ? 's' : 't', mdm_fmt(&key));
}


/*
 * Serial numbers are found by their index, unless the empty one is asked for,
 * which has none: then partitions are gone through.
 */

static mdm_int_t
mdm_api_query_serials(mdm_exchange_t *x, mdm_api_query_t *q, json_t *list)
{
    json_t     *item;
    size_t      i, size;
    mdm_str_t  *s;

    size = json_array_size(list);

    if (size == 0 || q->in_filter) {
        return MDM_OK;
    }

    q->serials = mdm_arena_alloc(x->arena, size * sizeof(mdm_str_t));
    if (q->serials == NULL) {
        return MDM_ERROR;
    }

    for (i = 0; i < size; i++) {
        item = json_array_get(list, i);
        s = &q->serials[i];

        s->data = (u_char *) json_string_value(item);
        s->len = json_string_length(item);

        if (s->len == 0) {
            return MDM_OK;
        }
    }

    q->nserials = size;

    return MDM_OK;
}


mdm_int_t
mdm_api_query_read_args(mdm_exchange_t *x, mdm_api_query_t *q)
{
    mdm_int_t   rc;
    mdm_uint_t  i;

    rc = mdm_api_query_serial_args(x, q);

    if (rc == MDM_OK) {
        rc = mdm_api_arg_flag(x, "include_device_cert", &q->include_cert);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_arg_flag(x, "include_unlock_token", &q->include_unlock);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    q->filter = mdm_arena_alloc(x->arena,
                                MDM_API_QUERY_LISTS * sizeof(mdm_str_t));
    if (q->filter == NULL) {
        return MDM_ERROR;
    }

    for (i = 0; i < MDM_API_QUERY_LISTS; i++) {
        mdm_str_set(&q->filter[i], "0");
    }

    q->nfilter = MDM_API_QUERY_LISTS;

    return MDM_OK;
}


/* the arguments "serial", of which there must be one */

static mdm_int_t
mdm_api_query_serial_args(mdm_exchange_t *x, mdm_api_query_t *q)
{
    u_char      *p, *end, *amp;
    size_t       len;
    mdm_int_t    rc;
    mdm_str_t    raw;
    mdm_uint_t   n;

    if (x->query.len == 0) {
        return mdm_api_query_no_serial(x);
    }

    n = 1;
    len = sizeof("serial=") - 1;
    end = x->query.data + x->query.len;

    for (p = x->query.data; p != end; p++) {
        n += (*p == '&');
    }

    q->serials = mdm_arena_alloc(x->arena, n * sizeof(mdm_str_t));
    if (q->serials == NULL) {
        return MDM_ERROR;
    }

    for (p = x->query.data; p != end; p = (amp == end) ? end : amp + 1) {

        amp = memchr(p, '&', (size_t) (end - p));
        amp = (amp != NULL) ? amp : end;

        if ((size_t) (amp - p) <= len || memcmp(p, "serial=", len) != 0) {
            continue;
        }

        raw.data = p + len;
        raw.len = (size_t) (amp - raw.data);

        rc = mdm_unescape(x->arena, &q->serials[q->nserials++], &raw);

        if (rc == MDM_DECLINED) {
            return mdm_exchange_refuse(x, 400, "the argument \"serial\" is a "
                                       "broken percent-encoding");
        }

        if (rc != MDM_OK) {
            return rc;
        }
    }

    if (q->nserials == 0) {
        return mdm_api_query_no_serial(x);
    }

    if (q->nserials > x->settings->api_ids) {
        return mdm_exchange_refuse(x, 400, "serial: at most %lu are allowed",
                                   (unsigned long) x->settings->api_ids);
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_query_no_serial(mdm_exchange_t *x)
{
    return mdm_exchange_refuse(x, 400, "the argument \"serial\" is missing");
}


static mdm_int_t
mdm_api_query_id_list(mdm_exchange_t *x, mdm_api_query_t *q, json_t *list)
{
    json_t      *item;
    size_t       i;
    mdm_int_t    rc;
    mdm_str_t    id;
    mdm_uint_t   n;

    n = 0;

    rc = mdm_api_query_size(x, list, "ids", &n);

    if (rc != MDM_OK || n == 0) {
        return rc;
    }

    q->by_id = 1;

    if (mdm_api_ids_init(x, &q->ids, n) != MDM_OK) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        item = json_array_get(list, i);

        id.data = (u_char *) json_string_value(item);
        id.len = json_string_length(item);

        rc = mdm_api_ids_add(x, &q->ids, &id);

        if (rc == MDM_DECLINED) {
            return mdm_exchange_refuse(x, 400, "filter.ids[%lu]: not an "
                                       "enrollment id", (unsigned long) i);
        }

        if (rc != MDM_OK) {
            return rc;
        }
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_query_bool(mdm_exchange_t *x, json_t *object, const char *path,
    const char *key, mdm_int_t *value)
{
    json_t  *b;

    b = json_object_get(object, key);

    if (b == NULL || json_is_null(b)) {
        return MDM_OK;
    }

    if (!json_is_boolean(b)) {
        return mdm_exchange_refuse(x, 400, "%s.%s: true or false expected",
                                   path, key);
    }

    *value = json_is_true(b) ? 1 : 0;

    return MDM_OK;
}
