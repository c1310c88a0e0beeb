/* What the manual page and the sample configuration say of directives. (The tables of
   docs/server.md are generated, see scripts/docs.) */
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "support/suite.h"

enum { LARGEST_PAGE = 1 << 17 };

/* Reads a file of the source tree. */
static const char *read_page(const char *name)
{
    static char page[LARGEST_PAGE];
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s", path);
    size_t size = fread(page, 1, sizeof page - 1, file);
    fclose(file);
    page[size] = '\0';
    return page;
}

static void expect(const char *page, const char *text)
{
    ck_assert_msg(strstr(page, text) != NULL, "missing: %s", text);
}

START_TEST(sample_configuration_has_each_directive_with_its_default)
{
    const char *page = read_page("server/gibson.conf");
    size_t found = 0;
    for (size_t i = 0; i < GIBS_DIRECTIVE_COUNT; i++) {
        const gibs_directive_row *row = &gibs_directives[i];
        char text[512];
        snprintf(text, sizeof text, "\n# %s\n#%s%s%s\n", row->summary, row->name,
                 row->fallback[0] ? " " : "", row->fallback);
        expect(page, text);
    }
    for (const char *at = page; (at = strstr(at, "\n#")); at++) {
        found += at[2] != ' ';
    }
    ck_assert_uint_eq(found, GIBS_DIRECTIVE_COUNT); /* and no other */
}
END_TEST

/* In a manual page a hyphen that is to be one has a backslash. */
static void escape_hyphens(const char *text, char *to)
{
    for (; *text; text++) {
        if (*text == '-') {
            *to++ = '\\';
        }
        *to++ = *text;
    }
    *to = '\0';
}

/* Tells whether a text is in the entry of a directive, which ends where the next begins. */
static bool entry_has(const char *page, const char *name, const char *text)
{
    char title[80];
    snprintf(title, sizeof title, "\n.BI %s \"", name);
    const char *entry = strstr(page, title);
    ck_assert_ptr_nonnull(entry);
    const char *end = strstr(entry, "\n.TP\n");
    const char *section = strstr(entry, "\n.S");
    const char *found = strstr(entry, text);
    end = section && (!end || section < end) ? section : end;
    return found && (!end || found < end);
}

START_TEST(manual_page_has_each_directive)
{
    const char *page = read_page("server/gibson-server.8");
    size_t found = 0;
    for (size_t i = 0; i < GIBS_DIRECTIVE_COUNT; i++) {
        const gibs_directive_row *row = &gibs_directives[i];
        char text[512];
        char escaped[512];
        snprintf(text, sizeof text, ".BI %s \"", row->name);
        expect(page, text);
        escape_hyphens(row->summary, escaped);
        expect(page, escaped);
        escape_hyphens(row->fallback, escaped);
        snprintf(text, sizeof text, "Default: %.400s.\n", escaped);
        if (row->fallback[0]) {
            expect(strstr(page, row->name), text);
        }
        ck_assert_int_eq(entry_has(page, row->name, "Needs a restart to change.\n"),
                         row->changes == GIBS_CHANGES_RESTART);
    }
    for (const char *at = page; (at = strstr(at, "\n.BI ")); at++) {
        found += at[5] != '\\';
    }
    ck_assert_uint_eq(found, GIBS_DIRECTIVE_COUNT);
}
END_TEST

SUITE("server_docs", sample_configuration_has_each_directive_with_its_default,
      manual_page_has_each_directive)
