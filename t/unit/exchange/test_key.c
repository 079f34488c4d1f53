
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Keys that are no partition's.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mdm_key.h"


static void
test_serial(void **state)
{
    mdm_str_t     key, tenant, serial;
    mdm_uint_t    i;
    mdm_arena_t  *arena;

    static const struct {
        const char           *serial;
        const char           *key;
    } cases[] = {
        { "C02XG0FDH7JY", "mdm:{default/serial:C02XG0FDH7JY}" },
        { "c02xg0fdh7jy", "mdm:{default/serial:C02XG0FDH7JY}" },
        { "A:1", "mdm:{default/serial:A%3A1}" },
        { "}{%", "mdm:{default/serial:%7D%7B%25}" },
        { "\xc3\xa4 z", "mdm:{default/serial:%C3%A4%20Z}" },
        { "", "mdm:{default/serial:}" }
    };

    (void) state;

    arena = mdm_arena_create(1024);
    assert_non_null(arena);

    mdm_str_set(&tenant, "default");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        serial.data = (u_char *) cases[i].serial;
        serial.len = strlen(cases[i].serial);

        assert_int_equal(mdm_key_serial(arena, &key, &tenant, &serial),
                         MDM_OK);
        assert_int_equal(key.len, strlen(cases[i].key));
        assert_memory_equal(key.data, cases[i].key, key.len);
    }

    mdm_arena_destroy(arena);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_serial)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
