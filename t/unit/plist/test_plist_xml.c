
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The plist reader on hostile and on large XML.
 */


#include "mdm_unit_plist.h"


/* the meters move: else a green run would mean nothing */

static void
test_meters(void **state)
{
    void             *p;
    double            time;
    size_t            before;
    volatile size_t   n;

    (void) state;

    if (SANITIZED) {
        skip();
    }

    before = memory_now;
    memory_peak = memory_now;

    p = malloc(10 * MB);
    assert_non_null(p);
    memset(p, 1, 10 * MB);
    free(p);

    assert_int_equal(memory_now, before);
    assert_true(memory_peak - before >= 10 * MB);

    time = cpu();

    for (n = 0; n < 100 * MB; n++) {
        /* void */
    }

    assert_true(cpu() - time > 1.0);
}


#define HEAD  "<plist version=\"1.0\"><dict><key>k</key>"
#define TAIL  "</dict></plist>"


static void
test_xml_depth(void **state)
{
    (void) state;

    start(); repeat("<array>", 480000 / 7);
    measure("nested arrays, no root", "not a dictionary");

    start(); add(HEAD); repeat("<array>", 480000 / 7);
    measure("nested arrays, 480 kB", "nested too deep");

    start(); add(HEAD); repeat("<array>", 2 * MB / 15);
    repeat("</array>", 2 * MB / 15); add(TAIL);
    measure("nested arrays, 2 MB", "nested too deep");

    start(); repeat("<dict><key>k</key>", 2 * MB / 18);
    measure("nested dictionaries, 2 MB", "nested too deep");

    start(); add(HEAD); repeat("<array>", 31); repeat("</array>", 31);
    add(TAIL);
    measure("32 deep", NULL);

    start(); add(HEAD); repeat("<array>", 32); repeat("</array>", 32);
    add(TAIL);
    measure("33 deep", "nested too deep");

    start(); add(HEAD); repeat("<array>", 30); add("<array/>");
    repeat("</array>", 30); add(TAIL);
    measure("32 deep, an empty one", NULL);

    start(); add(HEAD); repeat("<array>", 31); add("<dict/>");
    repeat("</array>", 31); add(TAIL);
    measure("33 deep, an empty one", "nested too deep");

    limits.depth = 100000;

    start(); add(HEAD); repeat("<array>", 511); repeat("</array>", 511);
    add(TAIL);
    measure("512 deep, when allowed", NULL);

    start(); add(HEAD); repeat("<array>", 512); repeat("</array>", 512);
    add(TAIL);
    measure("513 deep, never", "nested too deep");
}


static void
test_xml_counts(void **state)
{
    (void) state;

    start(); add(HEAD "<array>"); repeat("<true/>", 99997);
    add("</array>" TAIL);
    measure("100,000 values", NULL);

    start(); add(HEAD "<array>"); repeat("<true/>", 99998);
    add("</array>" TAIL);
    measure("100,001 values", "too many values");

    start(); add(HEAD "<array>"); repeat("<true/>", 5 * MB / 7);
    add("</array>" TAIL);
    measure("5 MB of <true/>", "too many values");

    start(); add(HEAD "<array>"); repeat("<string/>", 99990);
    add("</array>" TAIL);
    measure("empty strings", NULL);

    start(); add(HEAD "<array>"); repeat("<dict/>", 99990);
    add("</array>" TAIL);
    measure("empty dictionaries", NULL);

    start(); add(HEAD "<array>"); repeat("<array><true/></array>", 49990);
    add("</array>" TAIL);
    measure("arrays of one", NULL);

    start(); add(HEAD "<array>");
    repeat("<dict><key>a</key><true/></dict>", 33330);
    add("</array>" TAIL);
    measure("dictionaries of one", NULL);

    start(); add(HEAD "<array>");
    repeat("<date>2024-01-02T03:04:05Z</date>", 99990);
    add("</array>" TAIL);
    measure("dates", NULL);

    start(); add(HEAD "<array>");
    repeat("<real>-7.1234567890123456789012345678912e-303</real>", 49998);
    add("</array>" TAIL);
    measure("reals, which count twice", NULL);

    start(); add(HEAD "<array>");
    repeat("<real>-7.1234567890123456789012345678912e-303</real>", 49999);
    add("</array>" TAIL);
    measure("one more", "too many values");

    start(); add("<dict><key/><array>"); repeat("<real>1</real>", 1000);
    add("</array></dict>");
    measure("short reals", NULL);

    start(); add(HEAD "<array>"); repeat("<data>AAAA</data>", 99990);
    add("</array>" TAIL);
    measure("short data", NULL);
}


static void
test_xml_keys(void **state)
{
    char    text[64];
    size_t  i;

    (void) state;

    start(); add("<plist><dict>");

    for (i = 0; i < 49999; i++) {
        (void) sprintf(text, "<key>key%zu</key><true/>", i);
        add(text);
    }

    add(TAIL);
    measure("49,999 different keys", NULL);

    start(); add("<plist><dict>");

    for (i = 0; i < 100000; i++) {
        (void) sprintf(text, "<key>key%zu</key><true/>", i);
        add(text);
    }

    add(TAIL);
    measure("100,000 different keys", "too many values");

    start(); add("<plist><dict>"); repeat("<key>a</key><true/>", 49990);
    add(TAIL);
    measure("the same key", "same key twice");

    start(); add("<plist><dict>");

    for (i = 0; i < 25000; i++) {
        (void) sprintf(text, "<key>key%zu</key><true/>", i);
        add(text);
    }

    repeat("<key>key24999</key><true/>", 24999);
    add(TAIL);
    measure("the last key again and again", "same key twice");

    /* equal in djb2, the hash that libplist uses */

    start(); add("<plist><dict>");

    for (i = 0; i < 32768; i++) {
        size_t  bit;

        add("<key>");

        for (bit = 0; bit < 15; bit++) {
            add(((i >> bit) & 1) ? "Ab" : "BA");
        }

        add("</key><true/>");
    }

    add(TAIL);
    measure("keys with one djb2 hash", NULL);

    /* long keys that differ in their last byte only */

    start(); add("<plist><dict>");

    for (i = 0; i < 1000; i++) {
        add("<key>"); repeat("0123456789abcdef", 300);
        (void) sprintf(text, "%zu</key><true/>", i);
        add(text);
    }

    add(TAIL);
    measure("long keys, alike", NULL);
}


static void
test_xml_text(void **state)
{
    (void) state;

    start(); repeat("<", MB);
    measure("1 MB of <", "do not have");

    start(); add(HEAD "<string>"); repeat("<", MB);
    measure("1 MB of < in a string", "do not have");

    start(); add(HEAD "<string>"); repeat("&", MB);
    add("</string>" TAIL);
    measure("1 MB of &", "without a \";\"");

    start(); repeat("<key>", MB);
    measure("unclosed keys, 5 MB", "not a dictionary");

    start(); add(HEAD); repeat("<string>", MB / 8);
    measure("unclosed strings, 1 MB", "element within a text");

    start(); add(HEAD); repeat("<!---->", 100000); add("<true/>" TAIL);
    measure("100,000 comments", NULL);

    start(); add(HEAD "<string>"); repeat("<!---->", 5 * MB / 7);
    add("</string>" TAIL);
    measure("comments in a string, 5 MB", NULL);

    start(); add(HEAD "<!--"); repeat("-", 5 * MB); add("><true/>" TAIL);
    measure("a comment of 5 MB", NULL);

    start(); add(HEAD "<!--"); repeat("->", 5 * MB / 2);
    measure("a comment without end, 5 MB", "within a comment");

    start(); add(HEAD "<string><![CDATA["); repeat("]>]", 5 * MB / 3);
    add("]]></string>" TAIL);
    measure("CDATA of 5 MB", NULL);

    start(); add(HEAD "<string>"); repeat("<![CDATA[a]]>", 5 * MB / 13);
    add("</string>" TAIL);
    measure("many CDATA, 5 MB", NULL);

    start(); repeat("<?pi?>", 5 * MB / 6);
    measure("instructions, 5 MB", "cut off");

    start(); add("<plist"); repeat(" a=\"\"", MB); add("><dict/></plist>");
    measure("attributes, 5 MB", NULL);

    start(); add("<!DOCTYPE "); repeat("\"'\" ", 5 * MB / 4);
    measure("a DOCTYPE of 5 MB", "within its DOCTYPE");

    start();
    add("<?xml version=\"1.0\"?>\n<!DOCTYPE plist [\n<!ENTITY a \"lol\">\n"
        "<!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">\n"
        "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">\n]>\n"
        HEAD "<string>&c;</string>" TAIL);
    measure("billion laughs", "internal subset");
}


/* large texts, data and numbers */

static void
test_xml_scalars(void **state)
{
    mdm_str_t     in, s;
    plist_t       plist;
    const char   *why;
    mdm_arena_t  *arena;

    (void) state;

    start(); add(HEAD "<data>"); repeat("abcdefgh", 5 * MB / 8);
    add("</data>" TAIL);
    measure("data of 5 MB", NULL);

    start(); add(HEAD "<data>"); repeat("a\nbc d\t", 5 * MB / 7 / 4 * 4);
    add("</data>" TAIL);
    measure("data of 5 MB with spaces", NULL);

    start(); add(HEAD "<data>"); repeat(" \n", 5 * MB / 2);
    add("</data>" TAIL);
    measure("5 MB of spaces for data", NULL);

    start(); add(HEAD "<integer>"); repeat(" ", 5 * MB);
    add("1</integer>" TAIL);
    measure("5 MB of spaces, a number", NULL);

    start(); add(HEAD "<integer>"); repeat("1", 5 * MB);
    add("</integer>" TAIL);
    measure("an integer of 5 MB", "none");

    start(); add(HEAD "<real>"); repeat("1", 5 * MB); add("</real>" TAIL);
    measure("a real of 5 MB", "none");

    start(); add(HEAD "<string>"); repeat("\xf0\x9f\x98\x80", 5 * MB / 4);
    add("</string>" TAIL);
    measure("emoji, 5 MB", NULL);

    start(); add(HEAD "<string>"); repeat("a long text and ", 20 * MB / 16);
    add("</string>" TAIL);
    measure("a string of 20 MB", NULL);

    start(); add(HEAD "<data>"); repeat("QUJDREVGR0hJSktM", 20 * MB / 16);
    add("</data>" TAIL);
    measure("data of 20 MB", NULL);

    start(); add(HEAD "<string>"); repeat("&lt;", 5 * MB / 4);
    add("</string>" TAIL);
    measure("entities, 5 MB", NULL);

    in.data = doc.data;
    in.len = doc.len;
    arena = mdm_arena_create(256);

    assert_int_equal(mdm_plist_parse(arena, &in, &limits, &plist, &why),
                     MDM_OK);
    assert_int_equal(mdm_plist_string(plist, "k", &s), MDM_OK);
    assert_int_equal(s.len, 5 * MB / 4);
    assert_true(s.data[0] == '<' && s.data[s.len - 1] == '<');

    mdm_arena_destroy(arena);
}


/* documents as they come, only large */

static void
test_real(void **state)
{
    char         *out;
    uint32_t      len;
    plist_t       plist;
    mdm_str_t     in;
    const char   *why;
    mdm_arena_t  *arena;

    (void) state;

    apps(4700);
    measure("4,700 applications", NULL);

    in.data = doc.data;
    in.len = doc.len;
    arena = mdm_arena_create(256);
    out = NULL;
    len = 0;

    assert_int_equal(mdm_plist_parse(arena, &in, &limits, &plist, &why),
                     MDM_OK);

    (void) plist_to_bin(plist, &out, &len);
    assert_non_null(out);
    start();
    bytes(out, len);
    free(out);
    mdm_arena_destroy(arena);

    /* 16 times does not hold all of it: keys are shared there */

    measure("4,700 applications, binary", "expands to too many bytes");

    apps(500);
    in.len = doc.len;
    arena = mdm_arena_create(256);

    assert_int_equal(mdm_plist_parse(arena, &in, &limits, &plist, &why),
                     MDM_OK);

    out = NULL;
    (void) plist_to_bin(plist, &out, &len);
    start();
    bytes(out, len);
    free(out);
    mdm_arena_destroy(arena);
    measure("500 applications, binary", NULL);

    apps(20000);
    measure("20,000 applications", "too many values");
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_meters, setup),
        cmocka_unit_test_setup(test_xml_depth, setup),
        cmocka_unit_test_setup(test_xml_counts, setup),
        cmocka_unit_test_setup(test_xml_keys, setup),
        cmocka_unit_test_setup(test_xml_text, setup),
        cmocka_unit_test_setup(test_xml_scalars, setup),
        cmocka_unit_test_setup(test_real, setup),
    };

    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
