
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The table of Redis scripts that scripts/embed-lua writes.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "mdm_script.h"


static void
test_bodies(void **state)
{
    u_char               digest[EVP_MAX_MD_SIZE], hex[40];
    mdm_uint_t           i;
    unsigned int         size;
    const mdm_script_t  *script;

    (void) state;

    assert_true(mdm_nscripts > 0);

    for (i = 0; i < mdm_nscripts; i++) {
        script = mdm_scripts[i];

        /* the literal is as long as it says, and the digest is its own */

        assert_int_equal(strlen((const char *) script->body.data),
                         script->body.len);
        assert_int_equal(script->body.data[script->body.len - 1], '\n');

        assert_int_equal(EVP_Digest(script->body.data, script->body.len,
                                    digest, &size, EVP_sha1(), NULL), 1);
        assert_int_equal(size, 20);
        mdm_hex(hex, digest, size);

        assert_int_equal(script->sha1.len, sizeof(hex));
        assert_memory_equal(script->sha1.data, hex, sizeof(hex));

        assert_int_equal(script->index, i);
        assert_null(strstr((const char *) script->body.data, "--@include"));
        assert_true(script->nargs <= script->most);
    }

    assert_null(mdm_scripts[mdm_nscripts]);
}


static void
test_order(void **state)
{
    mdm_uint_t  i;

    (void) state;

    for (i = 1; i < mdm_nscripts; i++) {
        assert_true(strcmp((const char *) mdm_scripts[i - 1]->name.data,
                           (const char *) mdm_scripts[i]->name.data) < 0);
    }
}


/*
 * Finds the next command that the script calls, in the call itself or at the
 * head of a list that is called: a quoted word in capitals behind "(" or "{".
 * NULL: there is no more.
 */
static const char *
next_command(const char *p, size_t *len)
{
    size_t       n;
    const char  *q;

    for (p = strchr(p, '\''); p != NULL; p = strchr(p + 1, '\'')) {

        n = strspn(p + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

        if (n < 3 || p[1 + n] != '\'') {
            continue;
        }

        for (q = p - 1; *q == ' ' || *q == '\n'; q--) { /* void */ }

        if (*q == '(' || *q == '{') {
            *len = n;
            return p + 1;
        }
    }

    return NULL;
}


/* the probe tries what the other scripts call, no less and no more */

static void
test_probe(void **state)
{
    char         row[32];
    size_t       len;
    mdm_uint_t   i, n;
    const char  *p, *probe, *body;

    (void) state;

    n = 0;
    probe = (const char *) mdm_script_probe.body.data;

    for (i = 0; i < mdm_nscripts; i++) {
        body = (const char *) mdm_scripts[i]->body.data;

        if (mdm_scripts[i] == &mdm_script_probe) {
            continue;
        }

        for (p = next_command(body, &len); p != NULL;
             p = next_command(p + len + 1, &len))
        {
            n++;

            snprintf(row, sizeof(row), "{'%.*s'", (int) len, p);

            if (strstr(probe, row) == NULL) {
                fail_msg("src/lua/%.*s.lua calls %.*s, which is no row of "
                         "src/lua/probe.lua", mdm_fmt(&mdm_scripts[i]->name),
                         (int) len, p);
            }
        }
    }

    assert_true(n > 100);

    for (p = next_command(probe, &len); p != NULL;
         p = next_command(p + len + 1, &len))
    {
        if (strncmp(p, "NOPERM", len) == 0) {
            continue;
        }

        snprintf(row, sizeof(row), "'%.*s'", (int) len, p);

        for (i = 0; i < mdm_nscripts; i++) {

            if (mdm_scripts[i] != &mdm_script_probe
                && strstr((const char *) mdm_scripts[i]->body.data, row))
            {
                break;
            }
        }

        if (i == mdm_nscripts) {
            fail_msg("no script calls %.*s of src/lua/probe.lua", (int) len,
                     p);
        }
    }
}


/* a script is the file's bytes, its includes put in */

static void
test_file(void **state)
{
    char                 path[256];
    char                *p, *line, *text;
    FILE                *file;
    size_t               len;
    mdm_uint_t           i, lines;
    const mdm_script_t  *script;

    (void) state;

    lines = 0;

    for (i = 0; i < mdm_nscripts; i++) {
        script = mdm_scripts[i];

        snprintf(path, sizeof(path), "src/lua/%.*s.lua",
                 mdm_fmt(&script->name));

        file = fopen(path, "rb");
        assert_non_null(file);

        text = malloc(1024 * 1024);
        assert_non_null(text);

        len = fread(text, 1, 1024 * 1024 - 1, file);
        text[len] = '\0';
        fclose(file);

        assert_int_equal(script->write,
                         strncmp(text, "--@readonly\n", 12) != 0);

        /* every line is there, one behind the other */

        p = (char *) script->body.data;

        for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
            if (strncmp(line, "--@include ", 11) == 0
                || strncmp(line, "--@args ", 8) == 0)
            {
                continue;
            }

            p = strstr(p, line);
            assert_non_null(p);
            p += strlen(line);
            lines++;
        }

        free(text);
    }

    assert_true(lines > 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
