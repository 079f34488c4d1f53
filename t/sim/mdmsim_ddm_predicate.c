
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Predicates of activations, the part of NSPredicate that is common:
 *
 *     TRUEPREDICATE, FALSEPREDICATE, AND, OR, NOT, parentheses,
 *     == = != <> < <= > >= BEGINSWITH ENDSWITH CONTAINS,
 *     @status(item.name), @property(key), 'text', "text", 1.5, TRUE, FALSE
 */


#include "mdmsim_ddm.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>


#define SIM_P_DEPTH  32
#define SIM_P_TEXT   1024


/* an operand; a boolean is 0 or 1 */

typedef struct {
    int                       is_text;
    double                    number;
    char                      text[SIM_P_TEXT];
} sim_operand_t;


typedef struct {
    const sim_view_t         *view;
    const char               *p;
    uint32_t                  depth;
    int                       failed;      /* an operand is not there */
} sim_pread_t;


static void sim_p_space(sim_pread_t *r);
static int sim_p_word(sim_pread_t *r, const char *word);
static int sim_p_sign(sim_pread_t *r, const char *sign);
static sim_truth_e sim_p_or(sim_pread_t *r);
static sim_truth_e sim_p_and(sim_pread_t *r);
static sim_truth_e sim_p_not(sim_pread_t *r);
static sim_truth_e sim_p_compare(sim_pread_t *r);
static int sim_p_operand(sim_pread_t *r, sim_operand_t *o);
static int sim_p_quoted(sim_pread_t *r, sim_operand_t *o);
static int sim_p_reference(sim_pread_t *r, sim_operand_t *o);
static int sim_p_json(sim_pread_t *r, const char *data, size_t len,
    sim_operand_t *o);
static int sim_p_property(sim_pread_t *r, const char *key,
    sim_operand_t *o);


sim_truth_e
sim_ddm_predicate(const sim_view_t *view, const char *text)
{
    sim_pread_t  r;
    sim_truth_e  truth;

    r.view = view;
    r.p = text;
    r.depth = 0;
    r.failed = 0;

    truth = sim_p_or(&r);
    sim_p_space(&r);

    if (truth == SIM_P_SYNTAX || *r.p != '\0') {
        return SIM_P_SYNTAX;
    }

    return r.failed ? SIM_P_FAILED : truth;
}


static void
sim_p_space(sim_pread_t *r)
{
    while (isspace((unsigned char) *r->p)) {
        r->p++;
    }
}


/* takes a word, of either case */

static int
sim_p_word(sim_pread_t *r, const char *word)
{
    size_t  len;

    sim_p_space(r);
    len = strlen(word);

    if (strncasecmp(r->p, word, len) != 0
        || isalnum((unsigned char) r->p[len]) || r->p[len] == '_')
    {
        return 0;
    }

    r->p += len;

    return 1;
}


static int
sim_p_sign(sim_pread_t *r, const char *sign)
{
    size_t  len;

    sim_p_space(r);
    len = strlen(sign);

    if (strncmp(r->p, sign, len) != 0) {
        return 0;
    }

    r->p += len;

    return 1;
}


static sim_truth_e
sim_p_or(sim_pread_t *r)
{
    sim_truth_e  left, right;

    if (++r->depth > SIM_P_DEPTH) {
        return SIM_P_SYNTAX;
    }

    left = sim_p_and(r);

    while (left != SIM_P_SYNTAX && (sim_p_word(r, "OR") || sim_p_sign(r, "||")))
    {
        right = sim_p_and(r);
        left = right == SIM_P_SYNTAX ? SIM_P_SYNTAX
               : left == SIM_P_TRUE || right == SIM_P_TRUE ? SIM_P_TRUE
                                                           : SIM_P_FALSE;
    }

    r->depth--;

    return left;
}


static sim_truth_e
sim_p_and(sim_pread_t *r)
{
    sim_truth_e  left, right;

    left = sim_p_not(r);

    while (left != SIM_P_SYNTAX
           && (sim_p_word(r, "AND") || sim_p_sign(r, "&&")))
    {
        right = sim_p_not(r);
        left = right == SIM_P_SYNTAX ? SIM_P_SYNTAX
               : left == SIM_P_TRUE && right == SIM_P_TRUE ? SIM_P_TRUE
                                                           : SIM_P_FALSE;
    }

    return left;
}


static sim_truth_e
sim_p_not(sim_pread_t *r)
{
    sim_truth_e  truth;

    sim_p_space(r);

    if (sim_p_word(r, "NOT") || (*r->p == '!' && r->p[1] != '=')) {

        if (*r->p == '!') {
            r->p++;
        }

        if (++r->depth > SIM_P_DEPTH) {
            return SIM_P_SYNTAX;
        }

        truth = sim_p_not(r);
        r->depth--;

        return truth == SIM_P_SYNTAX ? SIM_P_SYNTAX
               : truth == SIM_P_TRUE ? SIM_P_FALSE : SIM_P_TRUE;
    }

    if (sim_p_sign(r, "(")) {
        truth = sim_p_or(r);
        return sim_p_sign(r, ")") ? truth : SIM_P_SYNTAX;
    }

    if (sim_p_word(r, "TRUEPREDICATE")) {
        return SIM_P_TRUE;
    }

    if (sim_p_word(r, "FALSEPREDICATE")) {
        return SIM_P_FALSE;
    }

    return sim_p_compare(r);
}


static sim_truth_e
sim_p_compare(sim_pread_t *r)
{
    int            order, truth;
    char           op;
    size_t         n, m;
    unsigned       i;
    sim_operand_t  a, b;

    static const struct {
        const char  *name;
        char         op;
    } ops[] = {
        { "==", '=' }, { "!=", '!' }, { "<>", '!' }, { "<=", 'l' },
        { ">=", 'g' }, { "=", '=' }, { "<", '<' }, { ">", '>' },
        { "BEGINSWITH", 'b' }, { "ENDSWITH", 'e' }, { "CONTAINS", 'c' }
    };

    if (sim_p_operand(r, &a) != SIM_OK) {
        return SIM_P_SYNTAX;
    }

    op = '\0';

    for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (isalpha((unsigned char) ops[i].name[0])
            ? sim_p_word(r, ops[i].name) : sim_p_sign(r, ops[i].name))
        {
            op = ops[i].op;
            break;
        }
    }

    if (op == '\0' || sim_p_operand(r, &b) != SIM_OK) {
        return SIM_P_SYNTAX;
    }

    if (strchr("bec", op) != NULL) {

        if (!a.is_text || !b.is_text) {
            r->failed = 1;
            return SIM_P_FALSE;
        }

        n = strlen(a.text);
        m = strlen(b.text);

        truth = op == 'c' ? strstr(a.text, b.text) != NULL
                : m <= n && memcmp(a.text + (op == 'b' ? 0 : n - m), b.text,
                                   m) == 0;

        return truth ? SIM_P_TRUE : SIM_P_FALSE;
    }

    if (a.is_text != b.is_text) {
        return op == '!' ? SIM_P_TRUE : SIM_P_FALSE;
    }

    order = a.is_text ? strcmp(a.text, b.text)
                      : (a.number > b.number) - (a.number < b.number);

    truth = op == '=' ? order == 0
            : op == '!' ? order != 0
            : op == '<' ? order < 0
            : op == '>' ? order > 0
            : op == 'l' ? order <= 0 : order >= 0;

    return truth ? SIM_P_TRUE : SIM_P_FALSE;
}


static int
sim_p_operand(sim_pread_t *r, sim_operand_t *o)
{
    char  *end;

    memset(o, 0, sizeof(sim_operand_t));
    sim_p_space(r);

    if (*r->p == '\'' || *r->p == '"') {
        return sim_p_quoted(r, o);
    }

    if (*r->p == '@') {
        return sim_p_reference(r, o);
    }

    if (sim_p_word(r, "TRUE") || sim_p_word(r, "YES")) {
        o->number = 1;
        return SIM_OK;
    }

    if (sim_p_word(r, "FALSE") || sim_p_word(r, "NO")) {
        return SIM_OK;
    }

    if (!isdigit((unsigned char) *r->p) && *r->p != '-') {
        return SIM_ERROR;
    }

    o->number = strtod(r->p, &end);

    if (end == r->p) {
        return SIM_ERROR;
    }

    r->p = end;

    return SIM_OK;
}


static int
sim_p_quoted(sim_pread_t *r, sim_operand_t *o)
{
    char    quote;
    size_t  n;

    quote = *r->p++;

    for (n = 0; *r->p != quote; n++) {
        if (*r->p == '\\' && r->p[1] != '\0') {
            r->p++;
        }

        if (*r->p == '\0' || n == SIM_P_TEXT - 1) {
            return SIM_ERROR;
        }

        o->text[n] = *r->p++;
    }

    r->p++;
    o->is_text = 1;

    return SIM_OK;
}


/* @status(item), @property(key) */

static int
sim_p_reference(sim_pread_t *r, sim_operand_t *o)
{
    int          rc, status;
    char         name[SIM_P_TEXT];
    size_t       n;
    sim_buf_t    value;

    r->p++;
    status = sim_p_word(r, "status");

    if ((!status && !sim_p_word(r, "property")) || !sim_p_sign(r, "(")) {
        return SIM_ERROR;
    }

    sim_p_space(r);
    n = strcspn(r->p, ") \t\r\n'\"(");

    if (n == 0 || n >= sizeof(name)) {
        return SIM_ERROR;
    }

    memcpy(name, r->p, n);
    name[n] = '\0';
    r->p += n;

    if (!sim_p_sign(r, ")")) {
        return SIM_ERROR;
    }

    if (status) {
        memset(&value, 0, sizeof(sim_buf_t));
        rc = sim_ddm_item(r->view, name, &value);

        if (rc == SIM_OK) {
            rc = sim_p_json(r, value.data, value.len, o);
        }

        sim_buf_free(&value);

    } else {
        rc = sim_p_property(r, name, o);
    }

    if (rc != SIM_OK) {
        r->failed = 1;
    }

    return SIM_OK;
}


static int
sim_p_json(sim_pread_t *r, const char *data, size_t len, sim_operand_t *o)
{
    int           rc;
    sim_json_t    j;
    sim_jnode_t  *n;

    (void) r;

    memset(&j, 0, sizeof(sim_json_t));
    rc = sim_json_parse(&j, data, len);

    if (rc == SIM_OK) {
        n = &j.nodes[j.root];

        if (n->type == SIM_J_STRING && n->len < SIM_P_TEXT) {
            o->is_text = 1;
            memcpy(o->text, j.text.data + n->off, n->len + 1);

        } else if (n->type == SIM_J_NUMBER) {
            o->number = n->number;

        } else if (n->type == SIM_J_TRUE || n->type == SIM_J_FALSE) {
            o->number = n->type == SIM_J_TRUE;

        } else {
            rc = SIM_ERROR;
        }
    }

    sim_json_free(&j);

    return rc;
}


/* of the declarations com.apple.management.properties */

static int
sim_p_property(sim_pread_t *r, const char *key, sim_operand_t *o)
{
    uint32_t             i, n;
    const char          *type;
    const sim_ddm_t     *d;
    const sim_json_t    *j;
    const sim_jnode_t   *node;

    d = r->view->ddm;

    for (i = 0; d != NULL && i < d->ndecls; i++) {
        j = &d->decls[i].json;
        type = sim_json_string(j, sim_json_get(j, j->root, "Type"));

        if (type == NULL
            || strcmp(type, "com.apple.management.properties") != 0)
        {
            continue;
        }

        n = sim_json_get(j, sim_json_get(j, j->root, "Payload"), key);
        if (n == 0) {
            continue;
        }

        node = &j->nodes[n];

        if (node->type == SIM_J_STRING && node->len < SIM_P_TEXT) {
            o->is_text = 1;
            memcpy(o->text, j->text.data + node->off, node->len + 1);
            return SIM_OK;
        }

        if (node->type == SIM_J_NUMBER || node->type == SIM_J_TRUE
            || node->type == SIM_J_FALSE)
        {
            o->number = node->type == SIM_J_NUMBER ? node->number
                        : node->type == SIM_J_TRUE;
            return SIM_OK;
        }
    }

    return SIM_ERROR;
}
