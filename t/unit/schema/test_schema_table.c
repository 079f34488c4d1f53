
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Unit tests of src/schema/mdm_schema*.c with a table that has what Apple's
 * commands do not have today.
 */


#include "schema.h"


static void test_limits(void **state);
static void test_recursive(void **state);
static void test_any_key(void **state);
static void test_path(void **state);
static void test_quote(void **state);

static mdm_int_t check_xml(const char *xml, mdm_uint_t strict);


#define TREE(node)                                                            \
    "<dict><key>RequestType</key><string>Tree</string><key>Node</key>"        \
    node "</dict>"

#define NODE(nodes)                                                           \
    "<dict><key>Name</key><string>x</string>"                                 \
    "<key>Nodes</key><array>" nodes "</array></dict>"

#define MAP(apps)                                                             \
    "<dict><key>RequestType</key><string>Map</string><key>Apps</key><dict>"   \
    apps "</dict></dict>"

#define GRID(rows)                                                            \
    "<dict><key>RequestType</key><string>Map</string><key>Apps</key><dict/>"  \
    "<key>Grid</key><array>" rows "</array></dict>"


#define REQ  MDM_SCHEMA_REQUIRED
#define ANY  MDM_SCHEMA_ANY_KEY
#define RNG  MDM_SCHEMA_RANGE


/*
 * Made by scripts/gen-schema of the rows
 *
 *   *                      item
 *   *       RequestType    key        string required
 *   Limits                 item
 *   Limits  Low            key        integer optional min -5
 *   Limits  High           key        integer optional max 100
 *   Limits  Ratio          key        real optional min 0 max 1
 *   Limits  When           key        date optional
 *   Limits  Blob           key        data optional
 *   Limits  Level          key        integer optional [1, 2, -4]
 *   Limits  Mode           key        string optional ["on", "off", "auto"]
 *   Limits  Free           key        any optional
 *   Tree                   item
 *   Tree    Node           key        dictionary required
 *   Tree    Node.Name      key        string required
 *   Tree    Node.Nodes     key        array optional
 *   Tree    Node.Nodes[]   recursive  Node
 *   Map                    item
 *   Map     Apps           key        dictionary required
 *   Map     Apps.*         key        dictionary
 *   Map     Apps.*.State   key        string required ["A"]
 *   Map     Apps.fixed     key        integer optional
 *   Map     Grid           key        array optional
 *   Map     Grid[]         key        array required
 *   Map     Grid[][]       key        string optional
 *   Map     Grid[][]{x}    value
 *   Map     Grid[][]{y}    value
 */

static const char  test_table_pool[] =
    "Limits\000Map\000Tree\000*\000Blob\000Free\000High\000Level\000Low\000"
    "auto\000off\000on\000Mode\000Ratio\000When\000Apps\000Grid\000Node\000"
    "RequestType\000fixed\000[]\000Name\000Nodes\000A\000State\000x\000y\000";


static const uint16_t  test_table_values[] = {
    43, 48, 52, 118, 126, 128
};


static const int64_t  test_table_integers[] = {
    INT64_MIN, 100, -4, 1, 2, -5, INT64_MAX, 0, 1
};


/* name, first child, children, first value, values, type */

static const mdm_schema_node_t  test_table_nodes[] = {
    {    0,    4,   8,    0,   0, 'D', 0 },
    {    7,   12,   2,    0,   0, 'D', 0 },
    {   11,   14,   1,    0,   0, 'D', 0 },
    {   16,   15,   1,    0,   0, 'D', 0 },
    {   18,    0,   0,    0,   0, 'd', 0 },
    {   23,    0,   0,    0,   0,   0, 0 },
    {   28,    0,   0,    0,   2, 'i', RNG },
    {   33,    0,   0,    2,   3, 'i', 0 },
    {   39,    0,   0,    5,   2, 'i', RNG },
    {   55,    0,   0,    0,   3, 's', 0 },
    {   60,    0,   0,    7,   2, 'r', RNG },
    {   66,    0,   0,    0,   0, 't', 0 },
    {   71,   16,   1,    0,   0, 'D', REQ|ANY },
    {   76,   18,   1,    0,   0, 'A', 0 },
    {   81,   19,   2,    0,   0, 'D', REQ },
    {   86,    0,   0,    0,   0, 's', REQ },
    {   98,    0,   0,    0,   0, 'i', 0 },
    {   16,   21,   1,    0,   0, 'D', 0 },
    {  104,   22,   1,    0,   0, 'A', REQ },
    {  107,    0,   0,    0,   0, 's', REQ },
    {  112,   23,   1,    0,   0, 'A', 0 },
    {  120,    0,   0,    3,   1, 's', REQ },
    {  104,    0,   0,    4,   2, 's', 0 },
    {  104,   19,   2,    0,   0, 'D', 0 }
};


static const mdm_schema_table_t  test_table = {
    test_table_pool,
    test_table_nodes,
    test_table_values,
    test_table_integers,
    24,
    3,
    NULL,
    NULL,
    NULL,
    0
};


static mdm_int_t
check_xml(const char *xml, mdm_uint_t strict)
{
    return check_text(&test_table, xml, strict);
}


static void
test_limits(void **state)
{
    char        xml[512];
    mdm_uint_t  i;

    static const struct {
        const char  *xml;
        const char  *error;
    } tests[] = {
        { "<key>Low</key><integer>-5</integer>", NULL },
        { "<key>Low</key><integer>-6</integer>", "Low: out of range" },
        { "<key>Low</key><integer>9223372036854775807</integer>", NULL },
        { "<key>High</key><integer>100</integer>", NULL },
        { "<key>High</key><integer>101</integer>", "High: out of range" },
        { "<key>High</key><integer>-9000000000</integer>", NULL },
        { "<key>High</key><real>1</real>",
          "High: integer expected, real found" },
        { "<key>Ratio</key><real>0.5</real>", NULL },
        { "<key>Ratio</key><real>1.0</real>", NULL },
        { "<key>Ratio</key><real>1.01</real>", "Ratio: out of range" },
        { "<key>Ratio</key><real>-0.01</real>", "Ratio: out of range" },
        { "<key>Ratio</key><real>nan</real>", "Ratio: out of range" },
        { "<key>Ratio</key><integer>1</integer>", NULL },
        { "<key>Ratio</key><integer>2</integer>", "Ratio: out of range" },
        { "<key>Ratio</key><string>1</string>",
          "Ratio: real expected, string found" },
        { "<key>When</key><date>2026-01-01T00:00:00Z</date>", NULL },
        { "<key>When</key><string>2026-01-01T00:00:00Z</string>",
          "When: date expected, string found" },
        { "<key>Blob</key><string>AAAA</string>",
          "Blob: data expected, string found" },
        { "<key>Level</key><integer>-4</integer>", NULL },
        { "<key>Level</key><integer>2</integer>", NULL },
        { "<key>Level</key><integer>0</integer>",
          "Level: 0 is not an allowed value" },
        { "<key>Mode</key><string>auto</string>", NULL },
        { "<key>Mode</key><string>on</string>", NULL },
        { "<key>Mode</key><string>o</string>",
          "Mode: unknown value \"o\"" },
        { "<key>Mode</key><string>offf</string>",
          "Mode: unknown value \"offf\"" },
        { "<key>Mode</key><string></string>",
          "Mode: unknown value \"\"" },
        { "<key>Free</key><dict><key>x</key><array/></dict>", NULL },
        { "<key>Free</key><true/>", NULL },
    };

    (void) state;

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {

        snprintf(xml, sizeof(xml), "<dict><key>RequestType</key>"
                 "<string>Limits</string>%s</dict>", tests[i].xml);

        if (tests[i].error == NULL) {
            assert_int_equal(check_xml(xml, 1), MDM_OK);
            continue;
        }

        /* a wrong type can never be read, of all else one is warned */

        assert_int_equal(check_xml(xml, 0),
                         strstr(tests[i].error, " found") ? MDM_DECLINED
                                                          : MDM_OK);

        assert_int_equal(check_xml(xml, 1), MDM_DECLINED);
        starts(ERROR, "Command.");
        assert_string_equal(ERROR + sizeof("Command.") - 1, tests[i].error);
    }
}


static void
test_recursive(void **state)
{
    plist_t     command, node, child, array;
    mdm_uint_t  i;

    (void) state;

    assert_int_equal(check_xml(TREE(NODE(NODE("") NODE(NODE("")))), 1),
                     MDM_OK);

    warned(&test_table, TREE(NODE(NODE("") NODE("<dict/>"))),
           "Command.Node.Nodes[1].Nodes[0].Name: required key is missing");

    assert_int_equal(check_xml(TREE(NODE(NODE("<true/>"))), 1),
                     MDM_DECLINED);
    assert_string_equal(ERROR, "Command.Node.Nodes[0].Nodes[0]: dictionary "
                        "expected, boolean found");

    /* deeper than any real one */

    command = plist_new_dict();
    plist_dict_set_item(command, "RequestType", plist_new_string("Tree"));

    node = plist_new_dict();
    plist_dict_set_item(node, "Name", plist_new_string("x"));

    for (i = 0; i < 200; i++) {
        array = plist_new_array();
        plist_array_append_item(array, node);
        child = plist_new_dict();
        plist_dict_set_item(child, "Name", plist_new_string("x"));
        plist_dict_set_item(child, "Nodes", array);
        node = child;
    }

    plist_dict_set_item(command, "Node", node);

    assert_int_equal(check_plist(&test_table, command, 0), MDM_DECLINED);
    assert_non_null(strstr(ERROR, "nested too deep"));

    plist_free(command);
}


static void
test_any_key(void **state)
{
    (void) state;

    assert_int_equal(check_xml(MAP(
        "<key>org.a</key><dict><key>State</key><string>A</string></dict>"
        "<key>fixed</key><integer>1</integer>"
        "<key>org.b</key><dict><key>State</key><string>A</string></dict>"),
        1), MDM_OK);

    warned(&test_table, MAP(
        "<key>org.a</key><dict><key>State</key><string>A</string></dict>"
        "<key>org.b</key><dict/>"),
        "Command.Apps.org.b.State: required key is missing");

    assert_int_equal(check_xml(MAP("<key>org.a</key><true/>"), 0),
                     MDM_DECLINED);
    assert_string_equal(ERROR, "Command.Apps.org.a: dictionary expected, "
                        "boolean found");

    assert_int_equal(check_xml(MAP("<key>fixed</key><dict/>"), 0),
                     MDM_DECLINED);
    assert_string_equal(ERROR, "Command.Apps.fixed: integer expected, "
                        "dictionary found");

    assert_int_equal(check_xml(GRID(
        "<array><string>x</string></array>"
        "<array><string>y</string><string>z</string></array>"), 0), MDM_OK);
    assert_string_equal(warning(0), "Command.Grid[1][1]: unknown value "
                        "\"z\"");

    assert_int_equal(check_xml(GRID(""), 0), MDM_OK);
    assert_string_equal(warning(0), "Command.Grid: at least one element "
                        "expected");
}


static void
test_path(void **state)
{
    char               key[200];
    mdm_str_t          text;
    mdm_uint_t         i;
    mdm_schema_path_t  steps[200];

    (void) state;

    memset(steps, 0, sizeof(steps));
    memset(key, 'k', sizeof(key));

    steps[0].key = "Command";
    steps[0].len = 7;
    steps[1].parent = steps;
    steps[1].key = "a\nb\x7f\xc3\xa4\xff\xc3";
    steps[1].len = 8;
    steps[2].parent = steps + 1;
    steps[2].index = SIZE_MAX;
    steps[3].parent = steps + 2;
    steps[3].key = "";

    assert_int_equal(mdm_schema_path(arena, &text, steps + 3), MDM_OK);
    assert_string_equal((char *) text.data, "Command.a?b?\xc3\xa4??"
                        "[18446744073709551615].");
    assert_int_equal(text.len, strlen((char *) text.data));

    /* the longest */

    for (i = 0; i < 200; i++) {
        steps[i].parent = (i == 0) ? NULL : steps + i - 1;
        steps[i].key = key;
        steps[i].len = sizeof(key);
    }

    assert_int_equal(mdm_schema_path(arena, &text, steps + 199), MDM_OK);
    assert_int_equal(text.len, strlen((char *) text.data));
    assert_int_equal(text.len, MDM_SCHEMA_DEPTH * (MDM_QUOTE_LEN + 4) - 1);
}


static void
test_quote(void **state)
{
    size_t               len;
    mdm_uint_t           i;
    mdm_quote_t  *quote;

    static const struct {
        const char  *in;
        const char  *out;
    } tests[] = {
        { "", "" },
        { "plain text", "plain text" },
        { "\x01\x1f\x7f\x80", "????" },
        { "\xc2\x85\xc2\xa0", "??\xc2\xa0" },
        { "\xed\xa0\x80\xc0\xaf", "?????" },
        { "\xf0\x9f\x98\x80\xf0\x9f\x98", "\xf0\x9f\x98\x80???" },
        { "0123456789012345678901234567890123456789012345678901234567890123",
          "0123456789012345678901234567890123456789012345678901234567890123" },
        { "01234567890123456789012345678901234567890123456789012345678901234",
          "0123456789012345678901234567890123456789012345678901234567890123"
          "..." },
        { "012345678901234567890123456789012345678901234567890123456789012"
          "\xc3\xa4",
          "012345678901234567890123456789012345678901234567890123456789012"
          "..." },
    };

    (void) state;

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        char  *in;

        /* on the heap, to see a byte too far */

        len = strlen(tests[i].in);
        in = malloc(len + 1);
        quote = malloc(sizeof(mdm_quote_t));
        assert_true(in != NULL && quote != NULL);
        memcpy(in, tests[i].in, len);
        in = realloc(in, (len == 0) ? 1 : len);
        assert_non_null(in);

        assert_string_equal(mdm_quote(quote, in, len), tests[i].out);

        free(in);
        free(quote);
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_recursive),
        cmocka_unit_test(test_any_key),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_quote),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
