
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The plist reader on hostile binary plists, and on changed documents of both
 * kinds.
 */


#include "mdm_unit_plist.h"


static void
number(uint64_t value, size_t size)
{
    while (size-- != 0) {
        doc.data[doc.len++] = (size < 8)
                              ? (u_char) (value >> (8 * size)) : 0;
    }
}


static void
start_binary(void)
{
    start();
    add("bplist00");
}


/* the next object begins here */

static void
object(const char *data, size_t len)
{
    assert_true(doc.n < count(doc.offsets));

    doc.offsets[doc.n++] = (uint32_t) doc.len;
    bytes(data, len);
}


/* object 0, the root: { "k" (object 1) : object 2 } */

static void
root(size_t ref_size)
{
    object("\xd1", 1);
    number(1, ref_size);
    number(2, ref_size);

    object("\x51k", 2);
}


static void
trailer(uint64_t objects, uint64_t offset_size, uint64_t ref_size,
    uint64_t first, uint64_t table)
{
    number(0, 6);
    number(offset_size, 1);
    number(ref_size, 1);
    number(objects, 8);
    number(first, 8);
    number(table, 8);
}


static void
end_binary(size_t ref_size)
{
    size_t    table;
    uint32_t  i;

    table = doc.len;

    for (i = 0; i < doc.n; i++) {
        number(doc.offsets[i], 4);
    }

    trailer(doc.n, 4, ref_size, 0, table);
}


static void
test_binary_bombs(void **state)
{
    int       i;
    char      text[2];
    uint32_t  k;

    (void) state;

    start_binary(); root(1);

    for (i = 2; i < 31; i++) {
        text[0] = (char) (i + 1);
        text[1] = text[0];
        object("\xa2", 1);
        bytes(text, 2);
    }

    object("\x09", 1);
    end_binary(1);
    measure("arrays doubled 29 times", "too many bytes");

    start_binary(); root(1);

    for (i = 2; i < 100; i++) {
        text[0] = (char) (i + 1);
        text[1] = text[0];
        object("\xa2", 1);
        bytes(text, 2);
    }

    object("\x09", 1);
    object("\x4f\x12\x00\x20\x00\x00", 6);
    repeat("not referred", 2 * MB / 12 + 1);
    end_binary(1);
    limits.depth = 512;
    measure("arrays doubled 98 times", "too many values");
    limits.depth = MDM_PLIST_DEPTH;
    measure("the same, 32 deep", "nested too deep");

    start_binary(); root(1);
    object("\xaf\x11\x27\x10", 4);

    for (k = 0; k < 10000; k++) {
        number(3, 1);
    }

    object("\x5f\x12\x00\x10\x00\x00", 6);
    repeat("0123456789abcdef", MB / 16);
    end_binary(1);
    measure("1 MB shared 10,000 times", "too many bytes");

    start_binary(); root(1);
    object("\xaf\x11\x00\x0e", 4);

    for (k = 0; k < 14; k++) {
        number(3, 1);
    }

    object("\x5f\x12\x00\x10\x00\x00", 6);
    repeat("0123456789abcdef", MB / 16);
    end_binary(1);
    measure("1 MB shared 14 times", NULL);
}


/* many objects over the same bytes */

static void
test_binary_overlaps(void **state)
{
    uint32_t  k;

    (void) state;

    start_binary(); root(2);
    object("\xaf\x11\x03\xe8", 4);

    for (k = 0; k < 1000; k++) {
        number(3 + k, 2);
    }

    for (k = 0; k < 1000; k++) {
        object("\x5f\x11\x7f\x7f", 4);
    }

    repeat("0123456789abcdef", 40000 / 16);
    end_binary(2);
    measure("strings that overlap", "too many bytes");

    /*
     * many arrays over the same references: the bytes of a header are
     * references to objects that are no arrays
     */

    start_binary(); root(1);
    object("\xaf\x10\xf0", 3);

    for (k = 0; k < 240; k++) {
        number(10 + k, 1);
    }

    object("\x09", 1);

    for (k = 4; k < 256; k++) {
        if (k == 0xaf || k == 0x11 || k == 0x75 || k == 0x30) {
            doc.offsets[doc.n++] = doc.offsets[3];

        } else {
            object("\xaf\x11\x75\x30", 4);
        }
    }

    for (k = 0; k < 30000; k++) {
        number(3, 1);
    }

    object("\x4f\x12\x00\x40\x00\x00", 6);
    repeat("not referred", 4 * MB / 12 + 1);
    end_binary(1);
    measure("arrays that overlap", "too many values");

    start_binary(); root(2);
    object("\xaf\x12\x00\x01\x86\x00", 6);

    for (k = 0; k < 0x18600; k++) {
        number(3, 2);
    }

    object("\x09", 1);
    end_binary(2);
    measure("true shared 99,840 times", "too many bytes");

    start_binary(); root(2);
    object("\x6f\x12\x00\x20\x00\x00", 6);

    for (k = 0; k < 2 * MB; k++) {
        number(0x20ac, 2);
    }

    end_binary(2);
    measure("UTF-16, 4 MB", NULL);
}


static void
test_binary_keys(void **state)
{
    char      text[32];
    size_t    table;
    uint32_t  k, n, *at;

    (void) state;

    n = 49990;
    at = malloc((n + 2) * sizeof(uint32_t));
    assert_non_null(at);

    start_binary();
    at[0] = (uint32_t) doc.len;
    bytes("\xdf\x12", 2);
    number(n, 4);

    for (k = 0; k < n; k++) {
        number(2 + k, 3);
    }

    for (k = 0; k < n; k++) {
        number(1, 3);
    }

    at[1] = (uint32_t) doc.len;
    bytes("\x09", 1);

    for (k = 0; k < n; k++) {
        at[2 + k] = (uint32_t) doc.len;
        (void) sprintf(text, "\x5axxxxk%05u", k);
        add(text);
    }

    table = doc.len;

    for (k = 0; k < n + 2; k++) {
        number(at[k], 3);
    }

    trailer(n + 2, 3, 3, 0, table);
    measure("49,990 different keys, binary", NULL);

    /* the last one a second time */

    memcpy(doc.data + at[n + 1], doc.data + at[n], 11);
    measure("one of them twice, binary", "same key twice");

    free(at);
}


static const struct {
    const char  *object;
    size_t       len;
    const char  *why;
} broken_objects[] = {
    { "\xdf\x13\x7f\xff\xff\xff\xff\xff\xff\xff", 10, "bad count" },
    { "\xdf\x13\x80\x00\x00\x00\x00\x00\x00\x00", 10, "bad count" },
    { "\xaf\x13\xff\xff\xff\xff\xff\xff\xff\xff", 10, "bad count" },
    { "\xaf\x13\x80\x00\x00\x00\x00\x00\x00\x00", 10, "bad count" },
    { "\xaf\x14\x00\x00\x00\x00\x00\x00\x00\x00"
      "\x00\x00\x00\x00\x00\x00\x00\x00", 18, "bad count" },
    { "\xaf\x1f", 2, "bad count" },
    { "\xaf\x23\x00\x00\x00\x00\x00\x00\x00\x00", 10, "bad count" },
    { "\xaf", 1, "bad count" },
    { "\xaf\x13\x00", 3, "bad count" },
    { "\xae", 1, "bad count" },
    { "\xd2\x01\x01\x01", 4, "bad count" },
    { "\x5f\x13\x7f\xff\xff\xff\xff\xff\xff\xff", 10, "bad string" },
    { "\x5f\x13\xff\xff\xff\xff\xff\xff\xff\xff", 10, "bad string" },
    { "\x6f\x13\x80\x00\x00\x00\x00\x00\x00\x01", 10, "bad string" },
    { "\x6f\x13\x7f\xff\xff\xff\xff\xff\xff\xff", 10, "bad string" },
    { "\x4f\x13\xff\xff\xff\xff\xff\xff\xff\xff", 10, "bad string" },
    { "\x4f\x10\x02\x01", 4, "bad string" },
    { "\x52\x61", 2, "bad string" },
    { "\x62\x00\x61\x00", 4, "bad string" },
    { "\x60", 1, "bad string" },
    { "\x52\xff\xff", 3, "UTF-8" },
    { "\x52\x61\x00", 3, "UTF-8" },
    { "\x61\x00\x00", 3, "NUL" },
    { "\x61\xd8\x00", 3, "UTF-16" },
    { "\x61\xdc\x00", 3, "UTF-16" },
    { "\x62\xd8\x00\x00\x61", 5, "UTF-16" },
    { "\x62\xd8\x00\xd8\x00", 5, "UTF-16" },
    { "\x15\x00", 2, "bad integer" },
    { "\x1f\x00", 2, "bad integer" },
    { "\x13\x00\x00", 3, "bad integer" },
    { "\x14\x00\x00\x00\x00\x00\x00\x00\x01"
      "\x00\x00\x00\x00\x00\x00\x00\x00", 17, "out of range" },
    { "\x20\x00", 2, "bad real" },
    { "\x23\x00\x00", 3, "bad real" },
    { "\x24\x00\x00\x00\x00\x00\x00\x00\x00"
      "\x00\x00\x00\x00\x00\x00\x00\x00", 17, "bad real" },
    { "\x32\x00\x00\x00\x00", 5, "bad date" },
    { "\x33\x00\x00\x00\x00", 5, "bad date" },
    { "\x33\x7f\xf0\x00\x00\x00\x00\x00\x00", 9, "date out of" },
    { "\x33\x7f\xf8\x00\x00\x00\x00\x00\x00", 9, "date out of" },
    { "\x33\xff\xef\xff\xff\xff\xff\xff\xff", 9, "date out of" },
    { "\x33\x42\x70\x00\x00\x00\x00\x00\x00", 9, "date out of" },
    { "\x8f\x00\x00\x00\x00\x00\x00\x00\x00"
      "\x00\x00\x00\x00\x00\x00\x00\x00", 17, "bad UID" },
    { "\x87\x00\x00\x00\x01\x00\x00\x00\x00", 9, "bad UID" },
    { "\x83\x00", 2, "bad UID" },
    { "\x00", 1, "unknown object" },
    { "\x0f", 1, "unknown object" },
    { "\x70", 1, "unknown object" },
    { "\xb0", 1, "unknown object" },
    { "\xc1\x01", 2, "unknown object" },
    { "\xe0", 1, "unknown object" },
    { "\xa1\x09", 2, "reference to no" },
    { "\xa1\x02", 2, "contains itself" },
    { "\xa1\x00", 2, "contains itself" },
    { "\xd1\x01\x00", 3, "contains itself" },
    { "\xd1\x00\x01", 3, "not a string" },
    { "\xd1\x02\x01", 3, "not a string" },
    { "\xd2\x01\x01\x01\x01", 5, "same key twice" },
};


static void
test_binary_broken(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < count(broken_objects); i++) {
        start_binary(); root(1);
        object(broken_objects[i].object, broken_objects[i].len);
        end_binary(1);
        measure("one bad object", broken_objects[i].why);
    }

    start_binary(); object("\xd1\x01\x02", 3); object("\x10\x05", 2);
    object("\x09", 1); end_binary(1);
    measure("a key that is a number", "not a string");

    start_binary(); object("\xd2\x01\x02\x03\x03", 5); object("\x51k", 2);
    object("\x61\x00k", 3); object("\x09", 1); end_binary(1);
    measure("a key in ASCII and UTF-16", "same key twice");

    start_binary(); root(1); object("\xa1\x03", 2); object("\xa1\x02", 2);
    end_binary(1);
    measure("a circle of two", "contains itself");

    start_binary(); object("\xa0", 1); end_binary(1);
    measure("the root an array", "not a dictionary");

    start_binary(); object("\x51k", 2); end_binary(1);
    measure("the root a string", "not a dictionary");

    start_binary(); root(1); object("\x09", 1);
    doc.offsets[2] = (uint32_t) doc.len; end_binary(1);
    measure("an object in the table", "outside");

    start_binary(); root(1); object("\x09", 1);
    doc.offsets[2] = UINT32_MAX; end_binary(1);
    measure("an object far away", "outside");

    start_binary(); root(1); object("\x09", 1); doc.offsets[2] = 7;
    end_binary(1);
    measure("an object in the header", "outside");
}


/* the last "table" is a factor of where the table is */

static const struct {
    uint64_t     objects, offset_size, ref_size, first, table;
    const char  *why;
} broken_trailers[] = {
    { 0, 4, 1, 0, 1, "bad object count" },
    { 3, 0, 1, 0, 1, "bad sizes" },
    { 3, 4, 0, 0, 1, "bad sizes" },
    { 3, 9, 1, 0, 1, "bad sizes" },
    { 3, 4, 255, 0, 1, "bad sizes" },
    { 4, 4, 1, 0, 1, "bad object count" },
    { UINT64_MAX, 8, 1, 0, 1, "bad object count" },
    { 3, 4, 1, 3, 1, "bad root" },
    { 3, 4, 1, 0, 0, "bad offset table" },
};


static void
test_binary_trailer(void **state)
{
    size_t  i, table;

    (void) state;

    start_binary(); root(1); object("\x09", 1); end_binary(1);
    measure("a good one", NULL);

    table = doc.len - 32 - 3 * 4;

    for (i = 0; i < count(broken_trailers); i++) {
        doc.len -= 32;
        trailer(broken_trailers[i].objects, broken_trailers[i].offset_size,
                broken_trailers[i].ref_size, broken_trailers[i].first,
                broken_trailers[i].table * table);
        measure("a bad trailer", broken_trailers[i].why);
    }

    doc.len -= 32;
    trailer(3, 4, 1, 0, UINT64_MAX);
    measure("the table far away", "bad offset table");

    doc.len -= 32;
    trailer(1, 1, 1, 0, doc.len);
    measure("the table in the trailer", "bad offset table");

    start(); add("bplist01"); repeat("x", 40);
    measure("another version", "unknown version");

    start(); add("bplist00"); number(0, 20);
    measure("a short one", "too short");

    start(); add("bplist00"); number(0, 32);
    measure("nothing but a trailer", "too short");

    start(); add("bplist");
    measure("the name only", "too short");
}


/* each part of a good document, and each with one byte changed */

static void
test_mutations(void **state)
{
    size_t        i, k, read;
    u_char       *copy, old;
    plist_t       plist;
    mdm_int_t     rc;
    mdm_str_t     in, xml;
    const char   *why;
    mdm_arena_t  *arena;

    static const u_char  changes[] = { 0x00, 0x01, 0x09, 0x0f, '<', '>', '&',
                                       '"', '/', '-', 0x7f, 0x80, 0xa1, 0xaf,
                                       0xd1, 0xff };

    (void) state;

    for (k = 0; k < 2; k++) {

        if (k == 0) {
            start_binary(); object("\xd3\x01\x03\x04\x02\x05\x06", 7);
            object("\x51k", 2);
            object("\xa3\x07\x08\x05", 4);
            object("\x61\x20\xac", 3);
            object("\x5f\x10\x10" "0123456789abcdef", 19);
            object("\x13\x00\x00\x00\x00\x00\x00\x00\x07", 9);
            object("\x42xy", 3);
            object("\xd1\x01\x06", 3);
            object("\x33\x41\xc4\x00\x00\x00\x00\x00\x00", 9);
            end_binary(1);

        } else {
            apps(1);
        }

        read = 0;

        for (i = 0; i < doc.len; i++) {
            copy = malloc(i + 1);
            assert_non_null(copy);
            memcpy(copy, doc.data, i);

            in.len = i;
            in.data = copy;
            arena = mdm_arena_create(256);
            rc = mdm_plist_parse(arena, &in, &limits, &plist, &why);

            /* the newline at the end may be missing */

            assert_true(rc == MDM_DECLINED || i + 1 == doc.len);

            mdm_arena_destroy(arena);
            free(copy);
        }

        in.data = doc.data;
        in.len = doc.len;

        for (i = 0; i < doc.len * count(changes); i++) {
            old = doc.data[i / count(changes)];
            doc.data[i / count(changes)] = changes[i % count(changes)];

            arena = mdm_arena_create(256);
            rc = mdm_plist_parse(arena, &in, &limits, &plist, &why);

            assert_true(rc == MDM_OK || rc == MDM_DECLINED);

            if (rc == MDM_OK) {
                assert_int_equal(mdm_plist_xml(arena, plist, &xml), MDM_OK);
                read++;
            }

            mdm_arena_destroy(arena);

            doc.data[i / count(changes)] = old;
        }

        /* both happen, or nothing has been tested */

        assert_true(read > 0 && read < doc.len * count(changes));
    }
}


/* our own allocations may fail; libplist's own may not */

static void
test_no_memory(void **state)
{
    size_t       k;
    long         n;
    mdm_int_t    rc;
    mdm_str_t    in;
    const char  *why;

    (void) state;

    if (SANITIZED) {
        skip();
    }

    for (k = 0; k < 2; k++) {
        char    text[64];
        size_t  i;

        if (k == 0) {
            start(); add("<dict>");

            for (i = 0; i < 40; i++) {
                (void) sprintf(text, "<key>%zu</key><true/>", i);
                add(text);
            }

            add("</dict>");

        } else {
            start_binary(); root(1); object("\x09", 1); end_binary(1);
        }

        in.data = doc.data;
        in.len = doc.len;

        for (n = 1, rc = MDM_ERROR; rc != MDM_OK; n++) {
            why = NULL;
            memory_fail = n;
            rc = mdm_plist_check(&in, &limits, &why);
            memory_fail = 0;

            if (rc != MDM_OK) {
                assert_int_equal(rc, MDM_ERROR);
                assert_non_null(strstr(why, "no memory"));
            }

            assert_true(n < 10);
        }

        assert_true(n > 2);
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_binary_bombs, setup),
        cmocka_unit_test_setup(test_binary_overlaps, setup),
        cmocka_unit_test_setup(test_binary_keys, setup),
        cmocka_unit_test_setup(test_binary_broken, setup),
        cmocka_unit_test_setup(test_binary_trailer, setup),
        cmocka_unit_test_setup(test_mutations, setup),
        cmocka_unit_test_setup(test_no_memory, setup),
    };

    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
