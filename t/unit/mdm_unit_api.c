
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Sends requests to the admin API, and looks into their JSON answers.
 */


#include <stdio.h>
#include <stdlib.h>

#include "mdm_endpoint.h"
#include "mdm_unit_api.h"


static void mdm_unit_api_free(void *data);


mdm_store_settings_t  mdm_unit_store;


mdm_settings_t
mdm_unit_api_settings(void)
{
    mdm_settings_t  s;

    memset(&s, 0, sizeof(mdm_settings_t));

    mdm_unit_store.partitions = 4;
    s.store = &mdm_unit_store;
    s.validate = MDM_VALIDATE_WARN;
    s.queue_limit = 1000;
    s.result_ttl = 3600;
    s.event_limit = 1000;
    s.keep_certificate = 1;
    s.api_ids = 100000;
    s.plist_depth = 32;
    s.plist_nodes = 100000;

    return s;
}


mdm_exchange_t *
mdm_unit_api_request(const mdm_settings_t *settings, mdm_uint_t method,
    const char *uri, const char *type, const void *body, size_t len)
{
    char            *p, *query;
    mdm_exchange_t  *x;

    x = mdm_exchange_create(settings);
    if (x == NULL) {
        abort();
    }

    p = mdm_arena_alloc(x->arena, strlen(uri) + 1);
    if (p == NULL) {
        abort();
    }

    strcpy(p, uri);

    query = strchr(p, '?');

    if (query != NULL) {
        *query++ = '\0';
        x->query.data = (u_char *) query;
        x->query.len = strlen(query);
    }

    x->path.data = (u_char *) p;
    x->path.len = strlen(p);

    x->kind = MDM_KIND_API;
    x->method = method;
    x->now = MDM_UNIT_NOW;
    mdm_str_set(&x->tenant, "default");
    mdm_str_set(&x->remote_user, "admin");
    mdm_str_set(&x->remote_addr, "127.0.0.1");

    if (type != NULL) {
        x->content_type.data = (u_char *) type;
        x->content_type.len = strlen(type);
    }

    x->body.data = (u_char *) body;
    x->body.len = len;

    mdm_endpoint_find(x);

    return x;
}


char *
mdm_unit_api_command(mdm_arena_t *arena, const char *uuid,
    const char *request_type)
{
    mdm_str_t  s;

    if (mdm_printf(arena, &s, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                   "<plist version=\"1.0\"><dict><key>Command</key><dict>"
                   "<key>RequestType</key><string>%s</string></dict>"
                   "<key>CommandUUID</key><string>%s</string></dict></plist>",
                   request_type, uuid)
        != MDM_OK)
    {
        abort();
    }

    return (char *) s.data;
}


static void
mdm_unit_api_free(void *data)
{
    json_decref(data);
}


json_t *
mdm_unit_api_json(mdm_exchange_t *x)
{
    json_t        *root;
    json_error_t   error;

    if (!mdm_str_is(&x->response_type, "application/json")) {
        fprintf(stderr, "not JSON but \"%.*s\"\n",
                mdm_fmt(&x->response_type));
        return NULL;
    }

    root = json_loadb((char *) x->response.data, x->response.len,
                      JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL, &error);

    if (root == NULL) {
        fprintf(stderr, "bad JSON: %s: %.*s\n", error.text,
                mdm_fmt(&x->response));
        return NULL;
    }

    if (mdm_arena_defer(x->arena, mdm_unit_api_free, root) != MDM_OK) {
        abort();
    }

    return root;
}


json_t *
mdm_unit_api_at(json_t *root, const char *place)
{
    char    name[1024], *end;
    size_t  n;

    while (root != NULL && *place != '\0') {
        n = strcspn(place, "/");

        if (n >= sizeof(name)) {
            return NULL;
        }

        memcpy(name, place, n);
        name[n] = '\0';

        if (json_is_array(root)) {
            root = json_array_get(root, strtoul(name, &end, 10));

        } else {
            root = json_object_get(root, name);
        }

        place += n;

        if (*place == '/') {
            place++;
        }
    }

    return root;
}


const char *
mdm_unit_api_text(mdm_exchange_t *x, const char *place)
{
    const char  *text;

    text = json_string_value(mdm_unit_api_at(mdm_unit_api_json(x), place));

    return (text != NULL) ? text : "";
}
