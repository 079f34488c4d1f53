
/*
 * Copyright (C) ngx_mdm_module authors
 */


#define _GNU_SOURCE
#include <time.h>

#include "mdm_ddm_token.h"


#define MDM_DDM_REQUEST_TYPE                                                  \
    "\t\t<key>RequestType</key>\n"                                            \
    "\t\t<string>DeclarativeManagement</string>\n"


mdm_int_t
mdm_ddm_command(mdm_arena_t *arena, mdm_str_t *dst, const mdm_str_t *uuid)
{
    return mdm_printf(arena, dst,
                      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                      "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\""
                      " \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
                      "<plist version=\"1.0\">\n"
                      "<dict>\n"
                      "\t<key>Command</key>\n"
                      "\t<dict>\n"
                      MDM_DDM_REQUEST_TYPE
                      "\t</dict>\n"
                      "\t<key>CommandUUID</key>\n"
                      "\t<string>%.*s</string>\n"
                      "</dict>\n"
                      "</plist>\n", mdm_fmt(uuid));
}


mdm_int_t
mdm_ddm_tokens(mdm_arena_t *arena, mdm_str_t *dst, const mdm_str_t *token,
    const mdm_str_t *time)
{
    char        when[32];
    time_t      t;
    int64_t     seconds;
    mdm_str_t   none;
    struct tm   tm;

    mdm_str_set(&none, MDM_DDM_NO_TOKEN);

    if (mdm_atoi(time, &seconds) != MDM_OK) {
        seconds = 0;
    }

    t = (time_t) seconds;

    if (gmtime_r(&t, &tm) == NULL
        || strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    {
        return MDM_ERROR;
    }

    if (token->len != 0) {
        none = *token;
    }

    return mdm_printf(arena, dst, "{\"SyncTokens\":{\"DeclarationsToken\":"
                      "\"%.*s\",\"Timestamp\":\"%s\"}}", mdm_fmt(&none),
                      when);
}


mdm_int_t
mdm_ddm_splice(mdm_arena_t *arena, mdm_str_t *body, const mdm_str_t *token,
    const mdm_str_t *time)
{
    size_t     at;
    u_char    *p;
    mdm_str_t  tokens, data, head, tail;

    static const char  mark[] = MDM_DDM_REQUEST_TYPE;

    p = memmem(body->data, body->len, mark, sizeof(mark) - 1);

    if (p == NULL) {
        return MDM_OK;
    }

    if (mdm_ddm_tokens(arena, &tokens, token, time) != MDM_OK
        || mdm_base64(arena, &data, &tokens) != MDM_OK)
    {
        return MDM_ERROR;
    }

    at = (size_t) (p - body->data);

    head.data = body->data;
    head.len = at;
    tail.data = body->data + at;
    tail.len = body->len - at;

    return mdm_printf(arena, body, "%.*s\t\t<key>Data</key>\n"
                      "\t\t<data>%.*s</data>\n%.*s", mdm_fmt(&head),
                      mdm_fmt(&data), mdm_fmt(&tail));
}
