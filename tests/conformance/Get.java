/* java Get.java URL: print the body; for the tests of trust. */
import java.io.InputStream;
import java.net.URI;

class Get {
    public static void main(String[] args) throws Exception {
        try (InputStream in = new URI(args[0]).toURL().openStream()) {
            System.out.write(in.readAllBytes());
            System.out.flush();
        }
    }
}
