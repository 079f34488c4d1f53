
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/ddm/mdm_ddm_item.c and of the table it reads.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "mdm_ddm_item.h"


static mdm_str_t
str(const char *text)
{
    mdm_str_t  s;

    s.data = (u_char *) text;
    s.len = strlen(text);

    return s;
}


static const mdm_ddm_item_t *
find(const char *name)
{
    mdm_str_t  s = str(name);

    return mdm_ddm_item_find(&s);
}


static const char *
owner(const char *path)
{
    mdm_str_t              s = str(path);
    const mdm_ddm_item_t  *item;

    item = mdm_ddm_item_owner(&s);

    return (item == NULL) ? "" : (const char *) item->name.data;
}


static mdm_uint_t
prefix(const char *name)
{
    mdm_str_t  s = str(name);

    return mdm_ddm_item_prefix(&s);
}


static void
test_table(void **state)
{
    mdm_uint_t             i, k, n;
    const mdm_ddm_item_t  *item;

    (void) state;

    assert_true(mdm_ddm_nitems > 60);

    for (i = 0; i < mdm_ddm_nitems; i++) {
        item = &mdm_ddm_items[i];

        assert_ptr_equal(mdm_ddm_item_find(&item->name), item);
        assert_ptr_equal(mdm_ddm_item_owner(&item->name), item);

        if (i != 0) {
            assert_true(strcmp((char *) item[-1].name.data,
                               (char *) item->name.data) < 0);
        }

        assert_true(!item->elements || item->type == 'A');

        n = 0;

        for (k = 0; k < MDM_DDM_SYSTEMS; k++) {
            n += (*item->since[k] != '\0');
        }

        assert_true(n != 0);
    }
}


static void
test_find(void **state)
{
    mdm_str_t              none;
    const mdm_ddm_item_t  *item;

    (void) state;

    item = find("device.power.battery-health");

    assert_non_null(item);
    assert_int_equal(item->type, 's');
    assert_int_equal(item->elements, 0);
    assert_string_equal(item->since[MDM_DDM_IOS], "17.0");
    assert_string_equal(item->since[MDM_DDM_MACOS], "14.4");
    assert_string_equal(item->since[MDM_DDM_TVOS], "");

    item = find("mdm.app");

    assert_non_null(item);
    assert_int_equal(item->type, 'A');
    assert_int_equal(item->elements, 1);

    /* an array, but its elements are nobody */

    assert_int_equal(find("test.array-value")->elements, 0);

    /* later than the table of 18.1 */

    assert_int_equal(find("package.list")->elements, 1);
    assert_string_equal(find("package.list")->since[MDM_DDM_MACOS], "26.0");
    assert_int_equal(find("mdm.push-token")->type, 'd');

    assert_null(find("device"));
    assert_null(find("device.power.battery-health "));
    assert_null(find("a"));
    assert_null(find("zzz"));
    assert_null(find(""));

    mdm_str_null(&none);
    assert_null(mdm_ddm_item_find(&none));
    assert_null(mdm_ddm_item_owner(&none));
}


static void
test_owner(void **state)
{
    (void) state;

    assert_string_equal(owner("softwareupdate.install-reason.reason"),
                        "softwareupdate.install-reason");
    assert_string_equal(owner("management.declarations.assets"),
                        "management.declarations");
    assert_string_equal(owner("device.operating-system.supplemental."
                              "build-version"),
                        "device.operating-system.supplemental.build-version");
    assert_string_equal(owner("mdm.app.a.b.c"), "mdm.app");

    /* only whole names count */

    assert_string_equal(owner("mdm.apple"), "");
    assert_string_equal(owner("device.model"), "");
    assert_string_equal(owner("."), "");
}


static void
test_prefix(void **state)
{
    (void) state;

    assert_true(prefix("device"));
    assert_true(prefix("device.model"));
    assert_true(prefix("device.operating-system.supplemental"));

    assert_false(prefix("device.mod"));
    assert_false(prefix("device.model.family"));
    assert_false(prefix("devices"));
}


static mdm_uint_t
system_of(const char *product)
{
    mdm_str_t  s = str(product);

    return mdm_ddm_system(&s);
}


static mdm_int_t
version_cmp(const char *a, const char *b)
{
    mdm_str_t  x = str(a), y = str(b);

    assert_int_equal(mdm_ddm_version_cmp(&x, &y),
                     -mdm_ddm_version_cmp(&y, &x));

    return mdm_ddm_version_cmp(&x, &y);
}


static void
test_system(void **state)
{
    mdm_str_t   name;
    mdm_uint_t  k;

    (void) state;

    assert_int_equal(system_of("iPhone15,2"), MDM_DDM_IOS);
    assert_int_equal(system_of("iPad13,1"), MDM_DDM_IOS);
    assert_int_equal(system_of("iPod9,1"), MDM_DDM_IOS);
    assert_int_equal(system_of("Mac14,2"), MDM_DDM_MACOS);
    assert_int_equal(system_of("MacBookPro18,1"), MDM_DDM_MACOS);
    assert_int_equal(system_of("iMac21,1"), MDM_DDM_MACOS);
    assert_int_equal(system_of("VirtualMac2,1"), MDM_DDM_MACOS);
    assert_int_equal(system_of("AppleTV11,1"), MDM_DDM_TVOS);
    assert_int_equal(system_of("RealityDevice14,1"), MDM_DDM_VISIONOS);
    assert_int_equal(system_of("Watch6,1"), MDM_DDM_WATCHOS);
    assert_int_equal(system_of(""), MDM_DDM_SYSTEMS);
    assert_int_equal(system_of("iP"), MDM_DDM_SYSTEMS);
    assert_int_equal(system_of("Ma"), MDM_DDM_SYSTEMS);

    for (k = 0; k < MDM_DDM_SYSTEMS; k++) {
        name = str(mdm_ddm_system_name(k));

        assert_int_equal(mdm_ddm_system_named(&name), k);
    }

    name.len--;
    assert_int_equal(mdm_ddm_system_named(&name), MDM_DDM_SYSTEMS);
    mdm_str_set(&name, "iPadOS");
    assert_int_equal(mdm_ddm_system_named(&name), MDM_DDM_IOS);
}


static void
test_version(void **state)
{
    (void) state;

    assert_true(version_cmp("17.4", "17.4.0") == 0);
    assert_true(version_cmp("", "0") == 0);
    assert_true(version_cmp("9.3", "17.0") < 0);
    assert_true(version_cmp("17.10", "17.9") > 0);
    assert_true(version_cmp("17.4.1", "17.4") > 0);
    assert_true(version_cmp("17.4 (a)", "17.4") == 0);
    assert_true(version_cmp("99999999999999999999999.1", "17") > 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_owner),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_system),
        cmocka_unit_test(test_version)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
