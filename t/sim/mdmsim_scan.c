
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads the few keys that a device needs of what a server sends.  The
 * server may be hostile: nothing recurses, every length is checked, and
 * what is not understood is an error.
 */


#include "mdmsim_plist.h"


#define SIM_SCAN_DEPTH    64


typedef struct {
    const char               *p;
    const char               *end;
    uint32_t                  depth;           /* of open containers */
    char                      kind[SIM_SCAN_DEPTH];   /* 'd' or 'a' */
    const char               *name;            /* of the element */
    size_t                    name_len;
    int                       closing;
    int                       empty;           /* <x/> */
} sim_xml_t;


static int sim_xml_tag(sim_xml_t *x);
static int sim_xml_skip(sim_xml_t *x, const char *mark);
static int sim_xml_is(const sim_xml_t *x, const char *name);
static int sim_xml_text(sim_xml_t *x, sim_buf_t *text);
static int sim_xml_entity(sim_xml_t *x, sim_buf_t *text);
static int sim_xml_type(const sim_xml_t *x);
static int sim_xml_leaf(const sim_xml_t *x, int leaf, int in_command,
    int in_queries, const sim_buf_t *key, sim_buf_t *text, sim_command_t *cmd);
static int sim_xml_command(const char *data, size_t len,
    sim_command_t *cmd);


int
sim_command_scan(const char *data, size_t len, sim_command_t *cmd)
{
    int  rc;

    cmd->uuid.len = 0;
    cmd->type.len = 0;
    cmd->data.len = 0;
    cmd->queries.len = 0;
    cmd->nqueries = 0;

    if (len >= 8 && memcmp(data, "bplist00", 8) == 0) {
        rc = sim_scan_binary(data, len, cmd);

    } else {
        rc = sim_xml_command(data, len, cmd);
    }

    if (rc != SIM_OK || cmd->uuid.len == 0 || cmd->type.len == 0) {
        return SIM_ERROR;
    }

    return SIM_OK;
}


void
sim_command_free(sim_command_t *cmd)
{
    sim_buf_free(&cmd->uuid);
    sim_buf_free(&cmd->type);
    sim_buf_free(&cmd->data);
    sim_buf_free(&cmd->queries);
}


/* past the next "mark" */

static int
sim_xml_skip(sim_xml_t *x, const char *mark)
{
    char  *p;

    p = memmem(x->p, (size_t) (x->end - x->p), mark, strlen(mark));
    if (p == NULL) {
        return SIM_ERROR;
    }

    x->p = p + strlen(mark);

    return SIM_OK;
}


/* the next tag; SIM_AGAIN: there is none */

static int
sim_xml_tag(sim_xml_t *x)
{
    size_t       left;
    const char  *p;

    for ( ;; ) {
        p = memchr(x->p, '<', (size_t) (x->end - x->p));
        if (p == NULL) {
            return SIM_AGAIN;
        }

        x->p = p + 1;
        left = (size_t) (x->end - x->p);

        if (left >= 1 && x->p[0] == '?') {
            if (sim_xml_skip(x, "?>") != SIM_OK) {
                return SIM_ERROR;
            }

            continue;
        }

        if (left >= 3 && memcmp(x->p, "!--", 3) == 0) {
            x->p += 3;
            if (sim_xml_skip(x, "-->") != SIM_OK) {
                return SIM_ERROR;
            }

            continue;
        }

        if (left >= 8 && memcmp(x->p, "!DOCTYPE", 8) == 0) {
            p = memchr(x->p, '>', left);
            if (p == NULL || memchr(x->p, '[', (size_t) (p - x->p)) != NULL) {
                return SIM_ERROR;
            }

            x->p = p + 1;
            continue;
        }

        break;
    }

    p = memchr(x->p, '>', left);
    if (p == NULL) {
        return SIM_ERROR;
    }

    x->closing = (x->p[0] == '/');
    if (x->closing) {
        x->p++;
    }

    x->name = x->p;
    x->empty = (p > x->p && p[-1] == '/');

    while (x->p < p && *x->p != ' ' && *x->p != '\t' && *x->p != '\r'
           && *x->p != '\n' && *x->p != '/')
    {
        x->p++;
    }

    x->name_len = (size_t) (x->p - x->name);
    x->p = p + 1;

    if (x->name_len == 0 || (x->closing && x->empty)) {
        return SIM_ERROR;
    }

    return SIM_OK;
}


static int
sim_xml_is(const sim_xml_t *x, const char *name)
{
    return strlen(name) == x->name_len
           && memcmp(x->name, name, x->name_len) == 0;
}


int
sim_scan_utf8(sim_buf_t *text, uint32_t c)
{
    char    u[4];
    size_t  n;

    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
        return SIM_ERROR;
    }

    if (c < 0x80) {
        u[0] = (char) c;
        n = 1;

    } else if (c < 0x800) {
        u[0] = (char) (0xc0 | c >> 6);
        u[1] = (char) (0x80 | (c & 0x3f));
        n = 2;

    } else if (c < 0x10000) {
        u[0] = (char) (0xe0 | c >> 12);
        u[1] = (char) (0x80 | (c >> 6 & 0x3f));
        u[2] = (char) (0x80 | (c & 0x3f));
        n = 3;

    } else {
        u[0] = (char) (0xf0 | c >> 18);
        u[1] = (char) (0x80 | (c >> 12 & 0x3f));
        u[2] = (char) (0x80 | (c >> 6 & 0x3f));
        u[3] = (char) (0x80 | (c & 0x3f));
        n = 4;
    }

    sim_buf_add(text, u, n);

    return SIM_OK;
}


static int
sim_xml_entity(sim_xml_t *x, sim_buf_t *text)
{
    size_t       n, i;
    uint32_t     c, digit;
    const char  *p;

    static const struct {
        const char  *name;
        char         c;
    } entities[] = {
        { "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' },
        { "apos", '\'' }
    };

    p = x->p + 1;

    for (n = 0; p + n < x->end && n < 10 && p[n] != ';'; n++) { /* void */ }

    if (p + n >= x->end || p[n] != ';') {
        return SIM_ERROR;
    }

    x->p = p + n + 1;

    for (i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        if (strlen(entities[i].name) == n
            && memcmp(entities[i].name, p, n) == 0)
        {
            sim_buf_add(text, &entities[i].c, 1);
            return SIM_OK;
        }
    }

    if (n < 2 || p[0] != '#') {
        return SIM_ERROR;
    }

    c = 0;

    if (p[1] == 'x') {
        if (n < 3) {
            return SIM_ERROR;
        }

        for (i = 2; i < n; i++) {
            digit = p[i] >= '0' && p[i] <= '9' ? (uint32_t) (p[i] - '0')
                    : p[i] >= 'a' && p[i] <= 'f' ? (uint32_t) (p[i] - 'a') + 10
                    : p[i] >= 'A' && p[i] <= 'F' ? (uint32_t) (p[i] - 'A') + 10
                    : 16;
            if (digit == 16 || c > 0x10ffff) {
                return SIM_ERROR;
            }

            c = c * 16 + digit;
        }

    } else {
        for (i = 1; i < n; i++) {
            if (p[i] < '0' || p[i] > '9' || c > 0x10ffff) {
                return SIM_ERROR;
            }

            c = c * 10 + (uint32_t) (p[i] - '0');
        }
    }

    return sim_scan_utf8(text, c);
}


/* the text up to and with the end tag of the element that was opened */

static int
sim_xml_text(sim_xml_t *x, sim_buf_t *text)
{
    size_t       name_len;
    const char  *p, *name;

    text->len = 0;
    sim_buf_add(text, "", 0);

    if (x->empty) {
        return SIM_OK;
    }

    name = x->name;
    name_len = x->name_len;

    while (x->p < x->end) {

        if (*x->p == '&') {
            if (sim_xml_entity(x, text) != SIM_OK) {
                return SIM_ERROR;
            }

            continue;
        }

        if (*x->p != '<') {
            for (p = x->p; p < x->end && *p != '<' && *p != '&'; p++) {
                if (*p == '\0') {
                    return SIM_ERROR;
                }
            }

            sim_buf_add(text, x->p, (size_t) (p - x->p));
            x->p = p;
            continue;
        }

        if (x->end - x->p >= 9 && memcmp(x->p, "<![CDATA[", 9) == 0) {
            p = x->p + 9;
            x->p = p;

            if (sim_xml_skip(x, "]]>") != SIM_OK
                || memchr(p, '\0', (size_t) (x->p - 3 - p)) != NULL)
            {
                return SIM_ERROR;
            }

            sim_buf_add(text, p, (size_t) (x->p - 3 - p));
            continue;
        }

        if (x->end - x->p >= 4 && memcmp(x->p, "<!--", 4) == 0) {
            x->p += 4;
            if (sim_xml_skip(x, "-->") != SIM_OK) {
                return SIM_ERROR;
            }

            continue;
        }

        if (x->end - x->p < 2 || x->p[1] != '/'
            || sim_xml_tag(x) != SIM_OK
            || !x->closing
            || x->name_len != name_len
            || memcmp(x->name, name, name_len) != 0)
        {
            return SIM_ERROR;
        }

        return SIM_OK;
    }

    return SIM_ERROR;
}


int
sim_scan_keep(sim_buf_t *dst, const sim_buf_t *value)
{
    if (dst->len != 0 || value->len == 0 || value->len > SIM_MAX_UUID) {
        return SIM_ERROR;
    }

    sim_buf_add(dst, value->data, value->len);

    return SIM_OK;
}


/* white space in between is of no account */

int
sim_scan_base64(sim_buf_t *b, const char *s, size_t len)
{
    char         c;
    size_t       i;
    unsigned     bits;
    uint32_t     x;
    const char  *at;

    static const char  abc[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    x = 0;
    bits = 0;

    for (i = 0; i < len && s[i] != '='; i++) {
        if (strchr(" \t\r\n", s[i]) != NULL && s[i] != '\0') {
            continue;
        }

        at = s[i] == '\0' ? NULL : strchr(abc, s[i]);
        if (at == NULL) {
            return SIM_ERROR;
        }

        x = (x << 6 | (uint32_t) (at - abc)) & 0xffffff;
        bits += 6;

        if (bits >= 8) {
            bits -= 8;
            c = (char) (x >> bits & 0xff);
            sim_buf_add(b, &c, 1);
        }
    }

    return SIM_OK;
}


int
sim_scan_query(sim_command_t *cmd, const sim_buf_t *value)
{
    if (cmd->nqueries == SIM_MAX_QUERIES || value->len > SIM_MAX_UUID) {
        return SIM_ERROR;
    }

    sim_buf_add(&cmd->queries, value->data, value->len + 1);
    cmd->nqueries++;

    return SIM_OK;
}


static int
sim_xml_command(const char *data, size_t len, sim_command_t *cmd)
{
    int        rc, in_command, in_queries, leaf;
    sim_buf_t  text, key;
    sim_xml_t  x;

    memset(&x, 0, sizeof(sim_xml_t));
    memset(&text, 0, sizeof(sim_buf_t));
    memset(&key, 0, sizeof(sim_buf_t));

    x.p = data;
    x.end = data + len;
    in_command = 0;
    in_queries = 0;

    sim_buf_add(&key, "", 0);

    for ( ;; ) {
        rc = sim_xml_tag(&x);
        if (rc != SIM_OK) {
            break;
        }

        rc = SIM_ERROR;

        if (sim_xml_is(&x, "plist")) {
            if (x.depth != 0) {
                break;
            }

            continue;
        }

        leaf = 0;

        if (sim_xml_is(&x, "dict") || sim_xml_is(&x, "array")) {

            if (x.closing) {
                if (x.depth == 0 || x.kind[x.depth - 1] != x.name[0]) {
                    break;
                }

                x.depth--;

                in_command = in_command && x.depth != 1;
                in_queries = in_queries && x.depth != 2;

            } else if (!x.empty) {
                if (x.depth == SIM_SCAN_DEPTH
                    || (x.depth == 0 && x.name[0] != 'd'))
                {
                    break;
                }

                if (x.depth == 1) {
                    in_command = x.name[0] == 'd'
                                 && strcmp(key.data, "Command") == 0;

                } else if (x.depth == 2) {
                    in_queries = in_command && x.name[0] == 'a'
                                 && strcmp(key.data, "Queries") == 0;
                }

                x.kind[x.depth++] = x.name[0];
            }

        } else if (x.closing || x.depth == 0) {
            break;

        } else {
            if (sim_xml_is(&x, "key")) {
                if (sim_xml_text(&x, &key) != SIM_OK) {
                    break;
                }

                continue;
            }

            leaf = sim_xml_type(&x);

            if (leaf == 0 || sim_xml_text(&x, &text) != SIM_OK) {
                break;
            }
        }

        if (sim_xml_leaf(&x, leaf, in_command, in_queries, &key, &text, cmd)
            != SIM_OK)
        {
            break;
        }

        if (x.depth < 3 || !in_queries) {
            key.len = 0;
            key.data[0] = '\0';
        }
    }

    sim_buf_free(&text);
    sim_buf_free(&key);

    return rc == SIM_AGAIN && x.depth == 0 ? SIM_OK : SIM_ERROR;
}


/* of the element that begins: 's' a string, 'd' data, 'o' other; 0: none */

static int
sim_xml_type(const sim_xml_t *x)
{
    if (sim_xml_is(x, "string")) {
        return 's';
    }

    if (sim_xml_is(x, "data")) {
        return 'd';
    }

    return (sim_xml_is(x, "integer") || sim_xml_is(x, "real")
            || sim_xml_is(x, "true") || sim_xml_is(x, "false")
            || sim_xml_is(x, "date"))
           ? 'o' : 0;
}


/* keeps what is looked for: 's' a string, 'd' data */

static int
sim_xml_leaf(const sim_xml_t *x, int leaf, int in_command, int in_queries,
    const sim_buf_t *key, sim_buf_t *text, sim_command_t *cmd)
{
    if (leaf == 's') {
        if (x->depth == 1 && strcmp(key->data, "CommandUUID") == 0) {
            if (sim_scan_keep(&cmd->uuid, text) != SIM_OK) {
                return SIM_ERROR;
            }

        } else if (x->depth == 2 && in_command
                   && strcmp(key->data, "RequestType") == 0)
        {
            if (sim_scan_keep(&cmd->type, text) != SIM_OK) {
                return SIM_ERROR;
            }

        } else if (x->depth == 3 && in_queries) {
            if (sim_scan_query(cmd, text) != SIM_OK) {
                return SIM_ERROR;
            }
        }

    } else if (leaf == 'd' && x->depth == 2 && in_command
               && strcmp(key->data, "Data") == 0)
    {
        if (sim_scan_base64(&cmd->data, text->data, text->len) != SIM_OK) {
            return SIM_ERROR;
        }
    }

    return SIM_OK;
}


int
sim_data_scan(const char *data, size_t len, const char *key,
    sim_buf_t *value)
{
    int        rc, found;
    size_t     i, n;
    sim_buf_t  text;
    sim_xml_t  x;

    memset(&x, 0, sizeof(sim_xml_t));
    memset(&text, 0, sizeof(sim_buf_t));

    x.p = data;
    x.end = data + len;
    found = 0;
    value->len = 0;

    while (sim_xml_tag(&x) == SIM_OK) {

        if (sim_xml_is(&x, "key") && !x.closing) {
            if (sim_xml_text(&x, &text) != SIM_OK) {
                break;
            }

            found = strcmp(text.data, key) == 0;
            continue;
        }

        if (found && !x.closing && sim_xml_is(&x, "data")) {
            break;
        }
    }

    rc = SIM_ERROR;

    if (found && x.name != NULL && !x.closing && sim_xml_is(&x, "data")
        && sim_xml_text(&x, &text) == SIM_OK)
    {
        /* base64 without its white space; the caller compares it so */

        for (i = 0, n = 0; i < text.len; i++) {
            if (strchr(" \t\r\n", text.data[i]) == NULL) {
                text.data[n++] = text.data[i];
            }
        }

        sim_buf_add(value, text.data, n);
        rc = SIM_OK;
    }

    sim_buf_free(&text);

    return rc;
}
