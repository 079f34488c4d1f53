
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The reader of a dictionary's top level, on good and on broken input.  Where
 * the guarded reader takes an input, both must find the same.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <sys/resource.h>

#include <cmocka.h>

#include "mdm_plist_top.h"
#include "mdm_unit_sanitized.h"


#define PLIST(body)   "<plist version=\"1.0\">" body "</plist>"
#define DICT(body)    PLIST("<dict>" body "</dict>")
#define UDID          "<key>UDID</key><string>U</string>"

#define count(a)      (sizeof(a) / sizeof((a)[0]))


enum {
    KEY_UDID = 0,
    KEY_STATUS,
    KEY_CHAIN,
    KEY_QUERY,
    KEYS
};


static const mdm_top_key_t  keys[] = {
    mdm_top_key("UDID", 16),
    mdm_top_key("Status", 16),
    mdm_top_key("ErrorChain", 0),
    mdm_top_key_members("QueryResponses")
};


static const mdm_limits_t  limits = { MDM_PLIST_DEPTH,
                                            MDM_PLIST_NODES };

static mdm_arena_t      *arena;
static mdm_top_value_t   values[KEYS];
static mdm_top_t         top;
static mdm_str_t         input;


/* a copy of its own size, so that a sanitizer sees a read beyond it */

static void
read_top(const void *data, size_t len)
{
    free(input.data);

    input.len = len;
    input.data = malloc(len + (len == 0));
    assert_non_null(input.data);
    memcpy(input.data, data, len);

    assert_int_equal(mdm_plist_top(arena, &input, keys, KEYS, values, &top),
                     MDM_OK);
}


static void
text_is(const mdm_str_t *s, const char *expected)
{
    if (!mdm_str_is(s, expected)) {
        fail_msg("\"%.*s\", not \"%s\"", mdm_fmt(s), expected);
    }
}


static void
xml(const char *text)
{
    read_top(text, strlen(text));
}


static int
setup(void **state)
{
    (void) state;

    arena = mdm_arena_create(1024);

    return (arena == NULL) ? -1 : 0;
}


static int
teardown(void **state)
{
    (void) state;

    mdm_arena_destroy(arena);
    free(input.data);
    input.data = NULL;

    return 0;
}


/* what comes before UDID, and how UDID is found behind it */

static void
test_passed_over(void **state)
{
    size_t   i;
    char    *text, *p;

    static const char  *const  before[] = {
        "",
        "<key>A</key><string>\xe4\xf6\xfc</string>",
        "<key>A</key><string>&#0;</string>",
        "<key>A</key><string>&nothing; &</string>",
        "<key>A</key><date>10000-01-01T00:00:00Z</date>",
        "<key>A</key><integer>99999999999999999999x</integer>",
        "<key>A</key><real>a lot</real>",
        "<key>A</key><data>****</data>",
        "<key>A</key><dict><key>k</key><true/><key>k</key><true/></dict>",
        "<key>A</key><dict><true/><key>B</key></dict>",
        "<key>A</key><string><![CDATA[</string></dict>]]></string>",
        "<key>A</key><string><!-- </string></dict> --></string>",
        "<key>A</key><array><?pi </array> ?></array>",
        "<key>A</key><string a='</string>' b=\">\">x</string>",
        "<key>A</key><string a='>'/>",
        "<key>A</key><string a=b/>",
        "<key>A</key><script><TRUE/></script>",
        "<key>A</key><string>a < b <3 <</string>",
        "<key>A</key>text<true/>text",
        "<key>A</key><true></true>",
        "<key>A</key><array/><key>A</key><dict/>",
        "<key>A</key><array><array/><string/></array>",
        "<key>A</key><dict><key>UDID</key><string>no</string></dict>",
        "<!-- <key>UDID</key><string>no</string> -->",
        "<key>&#0;</key><true/><key>&none;</key><true/>",
        "<key/><true/>",
        "<key>UDID </key><string>no</string>",
        "<key>udid</key><string>no</string>",
        "<key>UDI</key><string>no</string>",
        "<key>A</key >\n<true />",
        "<key>A</key><dictator>x</dictator>"
    };

    (void) state;

    for (i = 0; i < count(before); i++) {
        text = malloc(strlen(before[i]) + 256);
        assert_non_null(text);

        p = text;
        p += sprintf(p, "<?xml version=\"1.0\"?>\n<!DOCTYPE plist PUBLIC \"-//"
                     "Apple//DTD PLIST 1.0//EN\" \"http://x/[y>\">\n");
        (void) sprintf(p, DICT("%s" UDID), before[i]);

        xml(text);

        if (values[KEY_UDID].type != MDM_TOP_STRING || top.broken != NULL) {
            fail_msg("\"%s\": %s", before[i], top.broken);
        }

        text_is(&values[KEY_UDID].text, "U");
        assert_int_equal(values[KEY_UDID].count, 1);
        assert_int_equal(values[KEY_STATUS].type, MDM_TOP_NONE);

        free(text);
    }
}


/* where nesting breaks, what stands before counts, and nothing behind */

static void
test_broken(void **state)
{
    size_t  i;
    char    text[512];

    static const struct {
        const char  *text;
        const char  *why;
    } broken[] = {
        { "<key>A</key></dict>", "a key without a value" },
        { "<key>A</key><key>B</key><true/>", "a key where a value is due" },
        { "<true/>", "a value without a key" },
        { "</array>", "an end tag without its start tag" },
        { "<key>A</key><array></dict>", "an end tag without its start tag" },
        { "<key>A</dict>", "an end tag without its start tag" },
        { "<key>A</key><array><string>", "the XML is cut off" },
        { "<key>A</key><string>x", "the XML is cut off" },
        { "<key>A</key><string", "the XML ends within a tag" },
        { "<key>A</key><string a=\"", "the XML ends within a tag" },
        { "<key>A</key><string <true/>", "a bad tag" },
        { "<key>A</key><!DOCTYPE x><true/>", "a declaration within the XML" },
        { "<!-- ", "the XML ends within a comment, a CDATA section or an "
                   "instruction" },
        { "<![CDATA[ ]>", "the XML ends within a comment, a CDATA section or "
                          "an instruction" },
        { "<key>A</key><?x", "the XML ends within a comment, a CDATA section "
                             "or an instruction" },
        { "<", "the XML is cut off" },
        { "", "the XML is cut off" }
    };

    (void) state;

    for (i = 0; i < count(broken); i++) {
        (void) snprintf(text, sizeof(text), "<plist><dict>" UDID "%s",
                        broken[i].text);

        /* a tail with UDID would be found if the scan went on */

        xml(text);

        assert_int_equal(values[KEY_UDID].type, MDM_TOP_STRING);
        assert_non_null(top.broken);

        if (strcmp(top.broken, broken[i].why) != 0) {
            fail_msg("\"%s\": \"%s\"", broken[i].text, top.broken);
        }

        (void) snprintf(text, sizeof(text), "<plist><dict>%s", broken[i].text);

        xml(text);

        assert_int_equal(values[KEY_UDID].type, MDM_TOP_NONE);
        assert_non_null(top.broken);
    }
}


static void
test_no_dictionary(void **state)
{
    size_t  i;

    static const char  *const  none[] = {
        "", "x", "<", "<x", "<plist>", "<plist/>", "<plist></plist>",
        "<plist><array>" UDID "</array></plist>", "{\"UDID\":\"U\"}",
        "<html><dict>" UDID "</dict></html>", "</dict>", "bplist",
        "<plist></dict>" UDID,
        "<!DOCTYPE plist [<!ENTITY a \"b\">]>" DICT(UDID),
        "<!DOCTYPE plist \"", "<!DOCTYPE <", "<!DOCTYPE ", "<?xml ",
        "<!ELEMENT x>" DICT(UDID),
        "<plist><!DOCTYPE x><dict>" UDID "</dict></plist>",
        "\xff\xfe<\0p", "\xfe\xff\0<"
    };

    (void) state;

    for (i = 0; i < count(none); i++) {
        xml(none[i]);

        if (values[KEY_UDID].type != MDM_TOP_NONE || top.broken == NULL) {
            fail_msg("\"%s\"", none[i]);
        }
    }

    read_top("\0<p", 3);
    assert_non_null(top.broken);

    xml("<plist><dict/></plist>");
    assert_null(top.broken);

    /* nothing behind the dictionary is looked at */

    xml("\xef\xbb\xbf<dict>" UDID "</dict></plist>" DICT(UDID) "<");
    assert_null(top.broken);
    assert_int_equal(values[KEY_UDID].count, 1);
}


static void
test_string(void **state)
{
    size_t  i;
    char    text[256];

    static const struct {
        const char      *xml;
        mdm_top_type_e   type;
        const char      *text;
    } cases[] = {
        { "<string>Idle</string>", MDM_TOP_STRING, "Idle" },
        { "<string> Idle\n</string>", MDM_TOP_STRING, " Idle\n" },
        { "<string/>", MDM_TOP_STRING, "" },
        { "<string></string>", MDM_TOP_STRING, "" },
        { "<string>&amp;&#65;&#x42;</string>", MDM_TOP_STRING, "&AB" },
        { "<string>a<!-- b -->c<![CDATA[<&>]]></string>", MDM_TOP_STRING,
          "ac<&>" },
        { "<string>&#228;</string>", MDM_TOP_STRING, "\xc3\xa4" },
        { "<string>0123456789abcdef</string>", MDM_TOP_STRING,
          "0123456789abcdef" },
        { "<string>&#48;123456789abcdef</string>", MDM_TOP_STRING,
          "0123456789abcdef" },
        { "<string>0123456789abcdefg</string>", MDM_TOP_BAD, "" },
        { "<string>\xe4</string>", MDM_TOP_BAD, "" },
        { "<string>&#0;</string>", MDM_TOP_BAD, "" },
        { "<string>&none;</string>", MDM_TOP_BAD, "" },
        { "<string>a<b/></string>", MDM_TOP_BAD, "" },
        { "<string>a<string>b</string></string>", MDM_TOP_BAD, "" },
        { "<string>a < b</string>", MDM_TOP_BAD, "" },
        { "<true/>", MDM_TOP_BOOL, "true" },
        { "<false></false>", MDM_TOP_BOOL, "false" },
        { "<integer>5</integer>", MDM_TOP_INTEGER, "5" },
        { "<integer> -0x10 </integer>", MDM_TOP_INTEGER, "-16" },
        { "<integer>18446744073709551615</integer>", MDM_TOP_INTEGER,
          "18446744073709551615" },
        { "<integer>x</integer>", MDM_TOP_BAD, "" },
        { "<integer/>", MDM_TOP_BAD, "" },
        { "<real>0.85</real>", MDM_TOP_REAL, "0.85" },
        { "<real>59.19384765625</real>", MDM_TOP_REAL, "59.19384765625" },
        { "<real>0.1000000000000000055</real>", MDM_TOP_REAL, "0.1" },
        { "<real>1e300</real>", MDM_TOP_REAL, "1e+300" },
        { "<real>nan</real>", MDM_TOP_BAD, "" },
        { "<date>x</date>", MDM_TOP_DATE, "" },
        { "<data>*</data>", MDM_TOP_DATA, "" },
        { "<array><x/></array>", MDM_TOP_ARRAY, "" },
        { "<dict/>", MDM_TOP_DICT, "" },
        { "<dicts/>", MDM_TOP_OTHER, "" },
        { "<dict:s/>", MDM_TOP_OTHER, "" },
        { "<STRING>x</STRING>", MDM_TOP_OTHER, "" }
    };

    (void) state;

    for (i = 0; i < count(cases); i++) {
        (void) snprintf(text, sizeof(text), DICT("<key>Status</key>%s" UDID),
                        cases[i].xml);

        xml(text);

        assert_null(top.broken);
        text_is(&values[KEY_UDID].text, "U");

        if (values[KEY_STATUS].type != cases[i].type) {
            fail_msg("\"%s\": type %d", cases[i].xml,
                     (int) values[KEY_STATUS].type);
        }

        text_is(&values[KEY_STATUS].text, cases[i].text);
        text_is(&values[KEY_STATUS].slice, cases[i].xml);
    }
}


/* the first counts; a key may be written with entities */

static void
test_twice(void **state)
{
    char  *text;

    (void) state;

    xml(DICT(UDID "<key>UD&#73;D</key><string>V</string>"
             "<key>UDID<!-- x --></key><integer>1</integer>"));

    text_is(&values[KEY_UDID].text, "U");
    assert_int_equal(values[KEY_UDID].count, 3);

    /* one that is longer than the room on the stack */

    text = malloc(4096);
    assert_non_null(text);

    (void) sprintf(text, DICT("<key>UDID<!--%01000d--></key><string>U</string>"
                              "<key>&#65;%01000d</key><true/>"), 0, 0);
    xml(text);
    assert_null(top.broken);
    text_is(&values[KEY_UDID].text, "U");

    free(text);
}


static void
member_is(const char *name, mdm_top_type_e type, const char *text)
{
    const mdm_top_member_t  *m;

    m = mdm_top_member(&top, KEY_QUERY, name);

    if (m == NULL) {
        fail_msg("no member \"%s\"", name);
    }

    assert_int_equal(m->type, type);
    text_is(&m->text, text);
}


static void
test_members(void **state)
{
    char    *text, *p;
    size_t   i;

    (void) state;

    xml(DICT("<key>QueryResponses</key><dict>"
             "<key>OSVersion</key><string>18.1</string>"
             "<key>Name</key><string>\xe4</string>"
             "<key>A&amp;B</key><string>&lt;</string>"
             "<key>IsSupervised</key><true/>"
             "<key>BatteryLevel</key><real>0.75</real>"
             "<key>Port</key><integer>8</integer>"
             "<key>When</key><date>10000-01-01T00:00:00Z</date>"
             "<key>Deep</key><dict><key>OSVersion</key><string>no</string>"
             "</dict></dict>" UDID));

    assert_null(top.broken);
    assert_int_equal(top.nmembers, 5);
    member_is("OSVersion", MDM_TOP_STRING, "18.1");
    member_is("A&B", MDM_TOP_STRING, "<");
    member_is("IsSupervised", MDM_TOP_BOOL, "true");
    member_is("BatteryLevel", MDM_TOP_REAL, "0.75");
    member_is("Port", MDM_TOP_INTEGER, "8");
    assert_null(mdm_top_member(&top, KEY_QUERY, "Name"));
    assert_null(mdm_top_member(&top, KEY_STATUS, "OSVersion"));
    assert_int_equal(values[KEY_QUERY].type, MDM_TOP_DICT);
    text_is(&values[KEY_UDID].text, "U");

    /* only the first of two, and only of a dict */

    xml(DICT("<key>QueryResponses</key><dict><key>A</key><true/></dict>"
             "<key>QueryResponses</key><dict><key>B</key><true/></dict>"));
    assert_int_equal(top.nmembers, 1);

    xml(DICT("<key>QueryResponses</key><array><key>A</key><true/></array>"));
    assert_int_equal(top.nmembers, 0);
    assert_int_equal(values[KEY_QUERY].type, MDM_TOP_ARRAY);

    /* broken within: what came before */

    xml(DICT("<key>QueryResponses</key><dict><key>A</key><true/><true/></dict>"
             UDID));
    assert_string_equal(top.broken, "a value without a key");
    assert_int_equal(top.nmembers, 1);
    assert_int_equal(values[KEY_UDID].type, MDM_TOP_NONE);

    /* too many, too long, too much */

    text = malloc(1024 * 1024);
    assert_non_null(text);

    p = text + sprintf(text, "<dict><key>QueryResponses</key><dict>");
    p += sprintf(p, "<key>%065d</key><true/><key>L</key><string>%01025d"
                 "</string>", 0, 0);

    for (i = 0; i < 1000; i++) {
        p += sprintf(p, "<key>k%zu</key><string>v</string>", i);
    }

    (void) sprintf(p, "</dict>" UDID "</dict>");

    xml(text);
    assert_null(top.broken);
    assert_int_equal(top.nmembers, MDM_TOP_MEMBERS);
    member_is("k127", MDM_TOP_STRING, "v");
    text_is(&values[KEY_UDID].text, "U");

    p = text + sprintf(text, "<dict><key>QueryResponses</key><dict>");

    for (i = 0; i < 100; i++) {
        p += sprintf(p, "<key>k%zu</key><string>%01000d</string>", i, 0);
    }

    (void) sprintf(p, "</dict>" UDID "</dict>");

    xml(text);
    assert_null(top.broken);
    assert_int_equal(top.nmembers, 16);
    assert_true(top.bytes <= MDM_TOP_BYTES);
    text_is(&values[KEY_UDID].text, "U");

    free(text);
}


static void
test_parse(void **state)
{
    plist_t       node, item;
    mdm_str_t     s;
    const char   *why;

    (void) state;

    xml(DICT("<key>ErrorChain</key><array><dict><key>ErrorCode</key>"
             "<integer>12</integer><key>Text</key><string>&amp;</string>"
             "</dict></array><key>Bad</key><date>x</date>"));

    assert_int_equal(values[KEY_CHAIN].type, MDM_TOP_ARRAY);
    assert_int_equal(mdm_plist_top_parse(arena, &input, &values[KEY_CHAIN],
                                         &limits, &node, &why), MDM_OK);
    assert_int_equal(plist_get_node_type(node), PLIST_ARRAY);
    item = plist_array_get_item(node, 0);
    assert_int_equal(mdm_plist_string(item, "Text", &s), MDM_OK);
    text_is(&s, "&");

    xml(DICT("<key>ErrorChain</key><array><date>x</date></array>"));
    assert_int_equal(mdm_plist_top_parse(arena, &input, &values[KEY_CHAIN],
                                         &limits, &node, &why), MDM_DECLINED);
    assert_string_equal(why, "a date that is none");
}


/* binary: objects one after the other, offsets and references of two bytes */

typedef struct {
    u_char                    data[4096];
    size_t                    len;
    size_t                    offsets[64];
    size_t                    n;
} doc_t;


static size_t
object(doc_t *doc, const void *bytes, size_t len)
{
    if (doc->n == 0) {
        memcpy(doc->data, "bplist00", 8);
        doc->len = 8;
    }

    doc->offsets[doc->n] = doc->len;
    memcpy(doc->data + doc->len, bytes, len);
    doc->len += len;

    return doc->n++;
}


static size_t
string(doc_t *doc, const char *text)
{
    u_char  buf[512];
    size_t  len;

    len = strlen(text);

    if (len < 15) {
        buf[0] = (u_char) (0x50 | len);
        memcpy(buf + 1, text, len);

        return object(doc, buf, len + 1);
    }

    buf[0] = 0x5f;
    buf[1] = 0x11;
    buf[2] = (u_char) (len >> 8);
    buf[3] = (u_char) len;
    memcpy(buf + 4, text, len);

    return object(doc, buf, len + 4);
}


static size_t
dict(doc_t *doc, size_t n, const size_t *refs)
{
    u_char  buf[256];
    size_t  i;

    assert_true(n < 15);
    buf[0] = (u_char) (0xd0 | n);

    for (i = 0; i < n; i++) {
        buf[1 + 2 * i] = 0;
        buf[2 + 2 * i] = (u_char) refs[2 * i];
        buf[1 + 2 * (n + i)] = 0;
        buf[2 + 2 * (n + i)] = (u_char) refs[2 * i + 1];
    }

    return object(doc, buf, 1 + 4 * n);
}


static void
finish(doc_t *doc, size_t root)
{
    size_t   i, table;
    u_char  *p;

    table = doc->len;
    p = doc->data + table;

    for (i = 0; i < doc->n; i++) {
        *p++ = (u_char) (doc->offsets[i] >> 8);
        *p++ = (u_char) doc->offsets[i];
    }

    memset(p, 0, 32);
    p[6] = 2;
    p[7] = 2;
    p[15] = (u_char) doc->n;
    p[23] = (u_char) root;
    p[30] = (u_char) (table >> 8);
    p[31] = (u_char) table;

    doc->len = (size_t) (p + 32 - doc->data);

    read_top(doc->data, doc->len);
}


static void
test_binary(void **state)
{
    doc_t        doc;
    size_t       udid, status, chain, query, value, text, inner, r[20];
    plist_t      node;
    mdm_str_t    s;
    const char  *why;

    (void) state;

    memset(&doc, 0, sizeof(doc_t));

    udid = string(&doc, "UDID");
    status = object(&doc, "\x66\0S\0t\0a\0t\0u\0s", 13);
    chain = string(&doc, "ErrorChain");
    query = string(&doc, "QueryResponses");

    r[0] = string(&doc, "OSVersion");
    r[1] = string(&doc, "18.1");
    r[2] = string(&doc, "Supervised");
    r[3] = object(&doc, "\x09", 1);
    r[4] = object(&doc, "\x62\0\xe4\0b", 5);
    r[5] = object(&doc, "\x13\xff\xff\xff\xff\xff\xff\xff\xf0", 9);
    r[6] = string(&doc, "Level");
    r[7] = object(&doc, "\x23\x3f\xe8\0\0\0\0\0\0", 9);
    r[8] = string(&doc, "Bad");
    r[9] = object(&doc, "\x33\xff\xff\xff\xff\xff\xff\xff\xff", 9);
    inner = dict(&doc, 5, r);

    text = string(&doc, "a text that is good");
    value = object(&doc, "\xa1\0", 2);
    doc.data[doc.len++] = (u_char) text;

    /* a cycle, a bad date and an object outside: nobody looks at them */

    r[0] = string(&doc, "A");
    r[1] = object(&doc, "\xa1\0", 2);
    doc.data[doc.len++] = (u_char) r[1];
    r[2] = string(&doc, "B");
    r[3] = 200;
    r[4] = 201;
    r[5] = r[1];
    r[6] = chain;
    r[7] = value;
    r[8] = query;
    r[9] = inner;
    r[10] = status;
    r[11] = object(&doc, "\x64\0I\0d\0l\0e", 9);
    r[12] = udid;
    r[13] = text;
    text = string(&doc, "U");
    r[13] = text;

    finish(&doc, dict(&doc, 7, r));

    assert_null(top.broken);
    text_is(&values[KEY_UDID].text, "U");
    text_is(&values[KEY_STATUS].text, "Idle");
    assert_int_equal(values[KEY_CHAIN].type, MDM_TOP_ARRAY);
    assert_int_equal(top.nmembers, 4);
    member_is("OSVersion", MDM_TOP_STRING, "18.1");
    member_is("Supervised", MDM_TOP_BOOL, "true");
    member_is("\xc3\xa4" "b", MDM_TOP_INTEGER, "-16");
    member_is("Level", MDM_TOP_REAL, "0.75");

    assert_int_equal(mdm_plist_top_parse(arena, &input, &values[KEY_CHAIN],
                                         &limits, &node, &why), MDM_OK);
    assert_int_equal(plist_get_node_type(node), PLIST_ARRAY);
    node = plist_array_get_item(node, 0);
    s.len = 19;
    s.data = (u_char *) plist_get_string_ptr(node, NULL);
    text_is(&s, "a text that is good");
}


static void
test_binary_bad(void **state)
{
    doc_t   doc, good;
    size_t  i, udid, status, r[8];

    (void) state;

    memset(&doc, 0, sizeof(doc_t));

    udid = string(&doc, "UDID");
    status = string(&doc, "Status");
    r[0] = udid;
    r[1] = string(&doc, "U");
    r[2] = udid;
    r[3] = r[1];
    r[4] = status;
    r[5] = string(&doc, "longer than it may be");

    good = doc;

    finish(&doc, dict(&doc, 3, r));
    assert_null(top.broken);
    assert_int_equal(values[KEY_UDID].count, 2);
    assert_int_equal(values[KEY_STATUS].type, MDM_TOP_BAD);

    /* a value that is not there */

    doc = good;
    r[5] = 100;
    finish(&doc, dict(&doc, 3, r));
    assert_int_equal(values[KEY_STATUS].type, MDM_TOP_OTHER);
    assert_int_equal(values[KEY_STATUS].count, 1);

    /* half a surrogate, a NUL, a string that ends too soon */

    doc = good;
    r[5] = object(&doc, "\x61\xd8\0", 3);
    finish(&doc, dict(&doc, 3, r));
    assert_int_equal(values[KEY_STATUS].type, MDM_TOP_BAD);

    doc = good;
    r[5] = object(&doc, "\x51\0", 2);
    finish(&doc, dict(&doc, 3, r));
    assert_int_equal(values[KEY_STATUS].type, MDM_TOP_BAD);

    doc = good;
    (void) dict(&doc, 2, r);
    r[5] = object(&doc, "\x5f\x11\xff\xff", 4);
    finish(&doc, 4);
    assert_int_equal(values[KEY_STATUS].type, MDM_TOP_NONE);

    /* no dictionary */

    doc = good;
    finish(&doc, 0);
    assert_string_equal(top.broken, "the plist is not a dictionary");

    doc = good;
    finish(&doc, object(&doc, "\xdf\x13\xff\xff\xff\xff\xff\xff\xff\xff", 10));
    assert_string_equal(top.broken, "the plist is not a dictionary");

    /* cut off at each byte, and each byte made 255 */

    doc = good;
    finish(&doc, dict(&doc, 2, r));

    for (i = 0; i < doc.len; i++) {
        read_top(doc.data, i);
        read_top(doc.data + i, doc.len - i);

        good = doc;
        good.data[i] = 0xff;
        read_top(good.data, good.len);
    }
}


static double
cpu(void)
{
    struct rusage  usage;

    (void) getrusage(RUSAGE_SELF, &usage);

    return (double) usage.ru_utime.tv_sec * 1e3
           + (double) usage.ru_utime.tv_usec / 1e3;
}


/* 4 MB of what is made to be slow: linear, whatever it is */

static void
test_slow(void **state)
{
    char    *text, *p;
    size_t   i, n, len;
    double   time;

    static const char  *const  slow[] = {
        "<", "<!-- -->", "<!--", "<?x?>", "</a>", "<array>", "<a/>", "&",
        "<key>k</key><true/>", "<key>&#65;</key><true/>", "<![CDATA[", "]]>",
        "<a b=\"c\" ", "<a '", "-", "<key>UDID</key><string>&amp;</string>",
        "<key>QueryResponses</key><dict><key>&lt;</key><true/></dict>"
    };

    (void) state;

    n = 4 * 1024 * 1024;
    text = malloc(n + 256);
    assert_non_null(text);

    /* each at the top level and within a value */

    for (i = 0; i < 2 * count(slow); i++) {
        len = strlen(slow[i / 2]);
        p = text + sprintf(text, (i & 1) ? "<dict><key>A</key><array>"
                                         : "<dict>");

        while (p < text + n) {
            memcpy(p, slow[i / 2], len);
            p += len;
        }

        time = cpu();
        read_top(text, (size_t) (p - text));
        time = cpu() - time;

        print_message("    %6.2f ms of %s\n", time, slow[i / 2]);

        if (!(SANITIZED)) {
            assert_true(time < 60);
        }
    }

    free(text);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_dictionary, setup, teardown),
        cmocka_unit_test_setup_teardown(test_string, setup, teardown),
        cmocka_unit_test_setup_teardown(test_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_members, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse, setup, teardown),
        cmocka_unit_test_setup_teardown(test_binary, setup, teardown),
        cmocka_unit_test_setup_teardown(test_binary_bad, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow, setup, teardown)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
