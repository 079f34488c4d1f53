
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The plist reader on good and on broken input.  libplist, reading the same
 * text by itself, is the second opinion.  What is made to be slow or large
 * is in test_plist_hostile.c.
 */


#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_plist.h"


#define PLIST(body)   "<plist version=\"1.0\">" body "</plist>"
#define DICT(body)    PLIST("<dict>" body "</dict>")
#define VALUE(body)   DICT("<key>k</key>" body)

#define count(a)      (sizeof(a) / sizeof((a)[0]))


static const mdm_limits_t  limits = { MDM_PLIST_DEPTH,
                                            MDM_PLIST_NODES };


/* a copy of its own size, so that a sanitizer sees a read beyond it */

static mdm_int_t
read_copy(mdm_arena_t *arena, const void *data, size_t len, plist_t *root,
    const char **why)
{
    mdm_int_t    rc, check;
    mdm_str_t    in;
    const char  *second;

    in.len = len;
    in.data = malloc(len + (len == 0));
    assert_non_null(in.data);
    memcpy(in.data, data, len);

    *root = NULL;
    *why = NULL;
    second = NULL;

    check = mdm_plist_check(&in, &limits, &second);
    rc = mdm_plist_parse(arena, &in, &limits, root, why);

    free(in.data);

    assert_int_equal(check, rc);

    if (rc == MDM_OK) {
        assert_non_null(*root);
        assert_null(*why);

    } else {
        assert_int_equal(rc, MDM_DECLINED);
        assert_null(*root);
        assert_non_null(*why);
        assert_string_equal(*why, second);
    }

    return rc;
}


static plist_t
good(mdm_arena_t *arena, const void *data, size_t len)
{
    plist_t      root;
    const char  *why;

    if (read_copy(arena, data, len, &root, &why) != MDM_OK) {
        fail_msg("\"%.*s\" refused: %s", (int) len, (const char *) data, why);
    }

    return root;
}


static void
refused(const void *data, size_t len, const char *expected)
{
    plist_t       root;
    const char   *why;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(256);
    assert_non_null(arena);

    if (read_copy(arena, data, len, &root, &why) == MDM_OK) {
        fail_msg("\"%.*s\" was read", (int) len, (const char *) data);
    }

    if (strstr(why, expected) == NULL) {
        fail_msg("\"%.*s\": \"%s\", not \"%s\"", (int) len,
                 (const char *) data, why, expected);
    }

    mdm_arena_destroy(arena);
}


/* equal, in the order of keys, too: the binary forms are */

static void
same(plist_t one, plist_t two)
{
    char      *a, *b;
    uint32_t   la, lb;

    a = NULL;
    b = NULL;
    la = 0;
    lb = 0;

    (void) plist_to_bin(one, &a, &la);
    (void) plist_to_bin(two, &b, &lb);

    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(la, lb);
    assert_memory_equal(a, b, la);

    free(a);
    free(b);
}


static void
text_is(const char *xml, const char *expected)
{
    mdm_str_t     s;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(256);

    assert_int_equal(mdm_plist_string(good(arena, xml, strlen(xml)), "k", &s),
                     MDM_OK);
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.data, expected, s.len);

    mdm_arena_destroy(arena);
}


static void
data_is(const char *xml, const char *expected, size_t len)
{
    mdm_str_t     s;
    mdm_arena_t  *arena;

    arena = mdm_arena_create(256);

    assert_int_equal(mdm_plist_data(good(arena, xml, strlen(xml)), "k", &s),
                     MDM_OK);
    assert_int_equal(s.len, len);
    assert_memory_equal(s.data, expected, len);

    mdm_arena_destroy(arena);
}


static void
test_strings(void **state)
{
    (void) state;

    text_is(VALUE("<string>Idle</string>"), "Idle");
    text_is(VALUE("<string></string>"), "");
    text_is(VALUE("<string/>"), "");
    text_is(VALUE("<string />"), "");
    text_is(VALUE("<string a='>' b=\"/>\">x</string >"), "x");
    text_is(VALUE("<string> a\r\n\tb </string>"), " a\r\n\tb ");
    text_is(VALUE("<string>&lt;&gt;&amp;&quot;&apos;</string>"), "<>&\"'");
    text_is(VALUE("<string>&#65;&#x42;&#x00043;&#xe9;&#8364;&#x1F600;"
                  "</string>"), "ABC\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    text_is(VALUE("<string>a<!-- <b> & -->b<!---->c</string>"), "abc");
    text_is(VALUE("<string>a<![CDATA[<b>&amp;]]]]>c<![CDATA[]]></string>"),
            "a<b>&amp;]]c");
    text_is(VALUE("<string><![CDATA[fifteen and more]]>&#x41;</string>"),
            "fifteen and moreA");
    text_is(VALUE("<string>fourteen bytes</string>"), "fourteen bytes");
    text_is(VALUE("<string>fifteen bytes..</string>"), "fifteen bytes..");
    text_is(VALUE("<string>Z\xc3\xbcrich \xe2\x98\x83 \xf0\x9f\x98\x80"
                  "</string>"), "Z\xc3\xbcrich \xe2\x98\x83 \xf0\x9f\x98\x80");
    text_is(VALUE("<string>a]]>b&gt;</string>"), "a]]>b>");
    text_is(DICT("<key>&#107;</key><string>entity key</string>"),
            "entity key");
    text_is(DICT("<key>AbAb</key><true/><key>BAAb</key><true/>"
                 "<key/><true/><key>k</key><string>v</string>"), "v");
}


static void
test_data(void **state)
{
    (void) state;

    data_is(VALUE("<data>AAEC/w==</data>"), "\x00\x01\x02\xff", 4);
    data_is(VALUE("<data>\n\t\tAA\n\t\tEC\r\n /w = =\n\t</data>"),
            "\x00\x01\x02\xff", 4);
    data_is(VALUE("<data>AAEC</data>"), "\x00\x01\x02", 3);
    data_is(VALUE("<data>AAECAwQ=</data>"), "\x00\x01\x02\x03\x04", 5);
    data_is(VALUE("<data>YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=</data>"),
            "abcdefghijklmnopqrstuvwxyz", 26);
    data_is(VALUE("<data></data>"), "", 0);
    data_is(VALUE("<data>  </data>"), "", 0);
    data_is(VALUE("<data/>"), "", 0);
}


/* what libplist makes of the same text is the same */

static void
test_scalars(void **state)
{
    size_t        i;
    plist_t       oracle;
    mdm_arena_t  *arena;

    static const char  *xml[] = {
        VALUE("<integer>0</integer>"),
        VALUE("<integer> 42 </integer>"),
        VALUE("<integer>-1</integer>"),
        VALUE("<integer>+7</integer>"),
        VALUE("<integer>255</integer><key>l</key><integer>65536</integer>"),
        VALUE("<integer>0x1f</integer>"),
        VALUE("<integer>9223372036854775807</integer>"),
        VALUE("<integer>-9223372036854775808</integer>"),
        VALUE("<integer>9223372036854775808</integer>"),
        VALUE("<integer>18446744073709551615</integer>"),
        VALUE("<real>1.5</real>"),
        VALUE("<real>-1e-300</real>"),
        VALUE("<real>3</real>"),
        VALUE("<real>inf</real>"),
        VALUE("<date>2001-01-01T00:00:00Z</date>"),
        VALUE("<date> 2024-02-29T23:59:59Z </date>"),
        VALUE("<date>1970-01-01T00:00:00Z</date>"),
        VALUE("<date>2000-03-01T00:00:00Z</date>"),
        VALUE("<date>4001-01-01T00:00:00Z</date>"),
        VALUE("<date>1900-12-31T00:00:01Z</date>"),
        VALUE("<true/><key>l</key><false/>"),
        VALUE("<true></true><key>l</key><false> </false>"),
        VALUE("<dict/><key>l</key><array/>"),
        VALUE("<dict></dict><key>l</key><array> </array>"),
        VALUE("<array><dict><key>a</key><array><true/></array></dict>"
              "<string>s</string><data>AA==</data></array>"),
    };

    (void) state;

    for (i = 0; i < count(xml); i++) {
        arena = mdm_arena_create(256);
        oracle = NULL;

        (void) plist_from_xml(xml[i], (uint32_t) strlen(xml[i]), &oracle);

        assert_non_null(oracle);
        same(good(arena, xml[i], strlen(xml[i])), oracle);

        plist_free(oracle);
        mdm_arena_destroy(arena);
    }
}


static void
test_prolog(void **state)
{
    size_t  i;

    static const char  *xml[] = {
        DICT("<key>k</key><string>v</string>"),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
        "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
        DICT("<key>k</key><string>v</string>") "\n",
        "\xef\xbb\xbf<?xml version='1.0' encoding='utf-8' standalone='no' ?>"
        "<!DOCTYPE plist SYSTEM \"file://localhost/System/[>.dtd\">"
        "<plist><dict><key>k</key><string>v</string></dict></plist>",
        "  \r\n\t<!-- a --><?pi > ?><plist version = '1.0'> <!-- b -->"
        "<dict>x",
        "<dict><key>k</key><string>v</string></dict>",
        "<?xml version=\"1.0\"?><dict><key>k</key><string>v</string></dict>"
        " <!-- end --> ",
        "<?xml version=\"1.0\" encoding = \"US-ASCII\"?><plist><dict>"
        "<?pi?><key>k</key><!-- c --><string>v</string><!----></dict>"
        "<!-- d --></plist>\n<!-- e -->\n<?f?>\n",
    };

    (void) state;

    for (i = 0; i < count(xml); i++) {

        if (i == 3) {
            refused(xml[i], strlen(xml[i]), "text where a tag is due");
            continue;
        }

        text_is(xml[i], "v");
    }
}


static const struct {
    const char  *xml;
    const char  *why;
} broken_xml[] = {
    { "", "cut off" },
    { " ", "cut off" },
    { "x", "text where a tag" },
    { "<", "ends within a tag" },
    { "<plist", "ends within a tag" },
    { "<plist>", "cut off" },
    { "<plist/>", "not a dictionary" },
    { "<plist></plist>", "not a dictionary" },
    { "<plist><dict>", "cut off" },
    { "<plist><dict></dict>", "cut off" },
    { "<dict><key>k</key>", "cut off" },
    { "<dict><key>k</key></dict>", "a key without a value" },
    { "<dict><true/></dict>", "a value without a key" },
    { "<dict><key>k</key><key>l</key></dict>", "a key where a value" },
    { VALUE("<array><key>l</key></array>"), "a key where a value" },
    { VALUE("<array></dict>"), "end tag without" },
    { VALUE("<array></string></array>"), "end tag without" },
    { "</dict>", "not a dictionary" },
    { PLIST("<array/>"), "not a dictionary" },
    { PLIST("<string>s</string>"), "not a dictionary" },
    { PLIST("<dict/><dict/>"), "more than one value" },
    { "<dict/><dict/>", "something behind" },
    { "<dict/></plist>", "something behind" },
    { DICT("") "x", "something behind" },
    { DICT("") PLIST("<dict/>"), "something behind" },
    { VALUE("<plist><true/></plist>"), "plist within" },
    { VALUE("<set/>"), "do not have" },
    { VALUE("<Dict/>"), "do not have" },
    { VALUE("<dictx/>"), "do not have" },
    { VALUE("<dict:x/>"), "do not have" },
    { VALUE("<true>x</true>"), "text where a tag" },
    { VALUE("<true><false/></true>"), "boolean with contents" },
    { VALUE("<true a='/>"), "ends within a tag" },
    { VALUE("<true <false/>"), "bad tag" },
    { VALUE("<true/></true/>"), "do not have" },
    { VALUE("<string>a<b/></string>"), "do not have" },
    { VALUE("<string>a<true/></string>"), "element within a text" },
    { VALUE("<string>a</key>"), "element within a text" },
    { VALUE("<string>a<!x></string>"), "declaration within" },
    { VALUE("<string>a<![CDATA[b</string>"), "within a CDATA" },
    { VALUE("<string>a<!-- -</string>"), "within a comment" },
    { VALUE("<string>a"), "element within a text" },
    { "<dict><key>a", "within a text" },
    { "<dict><key>a<", "ends within a tag" },
    { "<dict><!-- ", "within a comment" },
    { "<dict><!-->", "within a comment" },
    { "<dict><? ", "within an instruction" },
    { "<dict><![CDATA[]]>", "do not have" },
    { VALUE("<string>&foo;</string>"), "unknown entity" },
    { VALUE("<string>&ampx;</string>"), "unknown entity" },
    { VALUE("<string>&;</string>"), "unknown entity" },
    { VALUE("<string>&#;</string>"), "unknown entity" },
    { VALUE("<string>&amp</string>"), "without a \";\"" },
    { VALUE("<string>a &amp b; and no end of it</string>"),
      "unknown entity" },
    { VALUE("<string>& this is far too long;</string>"),
      "without a \";\"" },
    { VALUE("<string>&#0;</string>"), "character reference" },
    { VALUE("<string>&#xd800;</string>"), "character reference" },
    { VALUE("<string>&#x110000;</string>"), "character reference" },
    { VALUE("<string>&#x;</string>"), "character reference" },
    { VALUE("<string>&#4a;</string>"), "character reference" },
    { VALUE("<string>&#xfffffffffff1;</string>"), "character reference" },
    { VALUE("<integer/>"), "empty number" },
    { VALUE("<integer></integer>"), "none" },
    { VALUE("<integer>a</integer>"), "integer that is none" },
    { VALUE("<integer>1 2</integer>"), "integer that is none" },
    { VALUE("<integer>-</integer>"), "integer that is none" },
    { VALUE("<integer>0x</integer>"), "integer that is none" },
    { VALUE("<integer>18446744073709551616</integer>"), "out of range" },
    { VALUE("<integer>-9223372036854775809</integer>"), "out of range" },
    { VALUE("<integer>1<!-- -->2</integer>"), "do not have" },
    { VALUE("<real>1.5x</real>"), "real that is none" },
    { VALUE("<real>0x10</real>"), "real that is none" },
    { VALUE("<real>nan(1)</real>"), "real that is none" },
    { VALUE("<real>.</real>"), "real that is none" },
    { VALUE("<real>1111111111111111111111111111111111111111111111111111"
            "11111111111111</real>"), "number or date that is none" },
    { VALUE("<date/>"), "empty" },
    { VALUE("<date>2024-01-02</date>"), "date that is none" },
    { VALUE("<date>2024-13-02T03:04:05Z</date>"), "date that is none" },
    { VALUE("<date>2024-12-00T03:04:05Z</date>"), "date that is none" },
    { VALUE("<date>2024-12-02T24:04:05Z</date>"), "date that is none" },
    { VALUE("<date>0000-12-02T23:04:05Z</date>"), "date that is none" },
    { VALUE("<date>20x4-12-02T23:04:05Z</date>"), "date that is none" },
    { VALUE("<data>A</data>"), "not base64" },
    { VALUE("<data>AA</data>"), "not base64" },
    { VALUE("<data>AA=</data>"), "not base64" },
    { VALUE("<data>AAA</data>"), "not base64" },
    { VALUE("<data>A===</data>"), "not base64" },
    { VALUE("<data>AA===</data>"), "not base64" },
    { VALUE("<data>====</data>"), "not base64" },
    { VALUE("<data>AA==AA==</data>"), "not base64" },
    { VALUE("<data>AA==AAAAAAAA</data>"), "not base64" },
    { VALUE("<data>AA*A</data>"), "not base64" },
    { VALUE("<data>AA\xc3\xa9</data>"), "not base64" },
    { VALUE("<data>AA<!-- -->AA</data>"), "not base64" },
    { VALUE("<data>AAAA<!-- -->AAAA</data>"), "do not have" },
    { DICT("<key>a</key><true/><key>a</key><true/>"), "same key twice" },
    { DICT("<key>a</key><true/><key>&#97;</key><true/>"),
      "same key twice" },
    { VALUE("<string>\xff</string>"), "not valid UTF-8" },
    { VALUE("<string>\xc0\xaf</string>"), "not valid UTF-8" },
    { VALUE("<string>\xed\xa0\x80</string>"), "not valid UTF-8" },
    { VALUE("<string>\xc3<!-- -->\xa9</string>"), "not valid UTF-8" },
    { "<!DOCTYPE plist [ <!ENTITY a \"b\"> ]>" DICT(""),
      "internal subset" },
    { "<!DOCTYPE plist PUBLIC \"a\" \"b\" [ ]>" DICT(""),
      "internal subset" },
    { "<!DOCTYPE plist <", "bad DOCTYPE" },
    { "<!DOCTYPE plist \"", "within its DOCTYPE" },
    { "<!DOCTYPE plist", "within its DOCTYPE" },
    { "<!DOCTYPE plist><!DOCTYPE plist>" DICT(""), "do not have" },
    { "<?xml version='1.0' encoding='ISO-8859-1'?>" DICT(""),
      "other than UTF-8" },
    { "<?xml version='1.0' encoding='UTF-16'?>" DICT(""),
      "other than UTF-8" },
    { "<?xml encoding=utf-8?>" DICT(""), "bad XML declaration" },
    { "<?xml encoding='utf-8?>" DICT(""), "bad XML declaration" },
    { "<?xml version='1.0'", "within its declaration" },
    { "{ k = v; }", "text where a tag" },
    { "{\"k\":\"v\"}", "text where a tag" },
};


static void
test_broken_xml(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < count(broken_xml); i++) {
        refused(broken_xml[i].xml, strlen(broken_xml[i].xml),
                broken_xml[i].why);
    }

    refused("\xff\xfe<\0d\0", 6, "UTF-16");
    refused("\xfe\xff\0<\0d", 6, "UTF-16");
    refused("<\0d\0i\0", 6, "UTF-16");
    refused("\0<\0d\0i", 6, "UTF-16");
    refused("<dict/>\0", 8, "NUL");
    refused("<dict>\xc3\xa9\0", 9, "UTF-8");
}


static void
test_getters(void **state)
{
    plist_t       root;
    mdm_str_t     s, xml;
    mdm_uint_t    b;
    mdm_arena_t  *arena;

    static const char  text[] = DICT(
        "<key>s</key><string>v</string><key>d</key><data>AAE=</data>"
        "<key>t</key><true/><key>f</key><false/><key>n</key>"
        "<integer>1</integer>");

    (void) state;

    arena = mdm_arena_create(256);
    root = good(arena, text, sizeof(text) - 1);

    s.len = 77;
    b = 77;

    assert_int_equal(mdm_plist_string(root, "x", &s), MDM_DECLINED);
    assert_int_equal(mdm_plist_data(root, "x", &s), MDM_DECLINED);
    assert_int_equal(mdm_plist_bool(root, "x", &b), MDM_DECLINED);
    assert_int_equal(mdm_plist_string(root, "d", &s), MDM_ERROR);
    assert_int_equal(mdm_plist_data(root, "s", &s), MDM_ERROR);
    assert_int_equal(mdm_plist_bool(root, "n", &b), MDM_ERROR);
    assert_int_equal(mdm_plist_string(NULL, "s", &s), MDM_DECLINED);
    assert_int_equal(mdm_plist_string(plist_dict_get_item(root, "s"), "s",
                                      &s), MDM_DECLINED);
    assert_int_equal(s.len, 77);
    assert_int_equal(b, 77);

    assert_int_equal(mdm_plist_string(root, "s", &s), MDM_OK);
    assert_true(mdm_str_is(&s, "v"));
    assert_int_equal(mdm_plist_data(root, "d", &s), MDM_OK);
    assert_int_equal(s.len, 2);
    assert_memory_equal(s.data, "\0\1", 2);
    assert_int_equal(mdm_plist_bool(root, "t", &b), MDM_OK);
    assert_int_equal(b, 1);
    assert_int_equal(mdm_plist_bool(root, "f", &b), MDM_OK);
    assert_int_equal(b, 0);

    assert_int_equal(mdm_plist_xml(arena, root, &xml), MDM_OK);
    assert_true(mdm_str_begins_i(&xml, "<?xml"));
    same(good(arena, xml.data, xml.len), root);

    mdm_arena_destroy(arena);
}


/* random documents, from a generator that gives the same ones each time */

typedef struct {
    char      *p;
    char      *last;
    uint64_t   seed;
    int        budget;
} maker_t;


static uint32_t
roll(maker_t *m, uint32_t n)
{
    m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;

    return (uint32_t) (m->seed >> 33) % n;
}


static void put(maker_t *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));


static void
put(maker_t *m, const char *fmt, ...)
{
    int      n;
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(m->p, (size_t) (m->last - m->p), fmt, args);
    va_end(args);

    assert_true(n >= 0 && n < m->last - m->p);
    m->p += n;
}


static void
make_text(maker_t *m)
{
    uint32_t  n;

    static const char  *pieces[] = {
        "a", "Zz", " ", "&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#65;",
        "&#x20AC;", "&#x1F600;", "\xc3\xa9", "\xe2\x98\x83",
        "\xf0\x9f\x98\x80", "<![CDATA[<&]]>", "some more text, ", "\n", "\t"
    };

    for (n = roll(m, 12); n != 0; n--) {
        put(m, "%s", pieces[roll(m, count(pieces))]);
    }
}


static void
make_value(maker_t *m, int depth)
{
    uint32_t  i, n;

    static const char  spaces[][3] = { "", " ", "\n\t", "\n" };
    static const char  base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklm"
                                  "nopqrstuvwxyz0123456789+/";

    put(m, "%s", spaces[roll(m, 4)]);

    n = roll(m, (depth < 12 && m->budget > 0) ? 12 : 8);
    m->budget--;

    switch (n) {

    case 0:
    case 1:
        put(m, "<string>");
        make_text(m);
        put(m, "</string>");
        break;

    case 2:
        put(m, "<integer>%lld</integer>",
            (long long) ((uint64_t) roll(m, 1u << 31) << roll(m, 33))
            - (1LL << roll(m, 62)));
        break;

    case 3:
        put(m, "<real>%.17g</real>", ((int) roll(m, 4000) - 2000) / 8.0);
        break;

    case 4:
        put(m, "<date>%04u-%02u-%02uT%02u:%02u:%02uZ</date>",
            1901 + roll(m, 2000), 1 + roll(m, 12), 1 + roll(m, 28),
            roll(m, 24), roll(m, 60), roll(m, 60));
        break;

    case 5:
        put(m, "<data>");

        for (n = 1 + roll(m, 40); n != 0; n--) {
            for (i = 0; i < 4; i++) {
                put(m, "%c", base64[roll(m, 64)]);
            }

            if (roll(m, 10) == 0) {
                put(m, "\n\t");
            }
        }

        put(m, roll(m, 2) ? "</data>" : "AAA=</data>");
        break;

    case 6:
        put(m, "<true/>");
        break;

    case 7:
        put(m, "<false/>");
        break;

    case 8:
    case 9:
        put(m, "<array>");

        for (n = roll(m, 20); n != 0; n--) {
            make_value(m, depth + 1);
        }

        put(m, "</array>");
        break;

    default:
        put(m, "<dict>");

        for (n = roll(m, 20); n != 0; n--) {
            put(m, "<key>%u ", n);
            make_text(m);
            put(m, "</key>");
            make_value(m, depth + 1);
        }

        put(m, "</dict>");
        break;
    }
}


static void
test_random(void **state)
{
    char         *text, *out;
    size_t        len;
    maker_t       m;
    plist_t       oracle, mine;
    uint32_t      i, n, outlen;
    mdm_str_t     xml;
    mdm_arena_t  *arena;

    (void) state;

    text = malloc(1 << 20);
    assert_non_null(text);

    m.seed = 20010101;

    for (i = 0; i < 3000; i++) {
        m.p = text;
        m.last = text + (1 << 20);
        m.budget = 300;

        put(&m, "<plist version=\"1.0\"><dict>");

        for (n = 1 + roll(&m, 8); n != 0; n--) {
            put(&m, "<key>k%u</key>", n);
            make_value(&m, 2);
        }

        put(&m, "</dict></plist>");

        len = (size_t) (m.p - text);
        arena = mdm_arena_create(1024);
        oracle = NULL;

        (void) plist_from_xml(text, (uint32_t) len, &oracle);
        assert_non_null(oracle);

        /* ours of the text, of libplist's binary, of libplist's XML */

        mine = good(arena, text, len);
        same(mine, oracle);

        out = NULL;
        outlen = 0;
        (void) plist_to_bin(oracle, &out, &outlen);
        same(good(arena, out, outlen), oracle);
        free(out);

        assert_int_equal(mdm_plist_xml(arena, mine, &xml), MDM_OK);
        same(good(arena, xml.data, xml.len), oracle);

        plist_free(oracle);
        mdm_arena_destroy(arena);
    }

    free(text);
}


/* every document of the fuzzer: no crash, and check and parse agree */

static void
test_corpus(void **state)
{
    char            path[1024];
    FILE           *file;
    u_char         *data;
    size_t          n, files;
    DIR            *dir;
    plist_t         root;
    const char     *why, *name;
    mdm_arena_t    *arena;
    struct dirent  *entry;

    (void) state;

    name = "t/fuzz/corpus/plist";
    dir = opendir(name);

    if (dir == NULL) {
        fail_msg("no %s: run this from the top of the source", name);
    }

    data = malloc(1 << 20);
    assert_non_null(data);

    files = 0;

    while ((entry = readdir(dir)) != NULL) {

        if (entry->d_name[0] == '.') {
            continue;
        }

        (void) snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);

        file = fopen(path, "rb");
        assert_non_null(file);
        n = fread(data, 1, 1 << 20, file);
        (void) fclose(file);

        arena = mdm_arena_create(1024);
        (void) read_copy(arena, data, n, &root, &why);
        mdm_arena_destroy(arena);

        files++;
    }

    (void) closedir(dir);
    free(data);

    assert_true(files > 10);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_prolog),
        cmocka_unit_test(test_broken_xml),
        cmocka_unit_test(test_getters),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_corpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
